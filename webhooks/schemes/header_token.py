"""A secret in a header: a bearer token (RFC 6750), or a key in a header of its own.

It authenticates the caller; the body is not signed.
"""

from collections.abc import Mapping, Sequence

from webhooks.schemes.scheme import (
    BodyVerifier,
    Scheme,
    SignedMessage,
    UnsignedBody,
    UnsignedMessage,
    VerificationContext,
)
from webhooks.wire.errors import BadOptions, MalformedHeader
from webhooks.wire.header_values import is_name, lowered
from webhooks.wire.signing.hmac_signatures import keys_from_text, matching_index


class HeaderToken(Scheme):
    """A header with the secret and nothing else, e.g. `X-Api-Key` or `X-Gitlab-Token`. Raises BadOptions."""

    name = "token"
    label = "Secret in a header: named by the option header"

    def __init__(self, header: str = "x-api-key") -> None:
        if not is_name(header):
            raise BadOptions("header must be a header name")
        self._header = header.lower()

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        keys_from_text(secrets)
        return UnsignedBody(matching_index(secrets, self._token(context.header(self._header))))

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        keys_from_text([secret])
        return SignedMessage({**message.json_headers(), self._header: secret}, message.body)

    def _token(self, value: str) -> str:
        return value


class BearerToken(HeaderToken):
    """`Authorization: Bearer` followed by the secret."""

    name = "bearer"
    label = "Bearer token"

    def __init__(self) -> None:
        super().__init__("authorization")

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        return super().sign(f"Bearer {secret}" if secret else secret, message)

    def _token(self, value: str) -> str:
        return bearer_token(self._header, value)


class GitLab(HeaderToken):
    """GitLab's secret token in `X-Gitlab-Token`.

    `Idempotency-Key` is the same for every attempt at a message. `X-Gitlab-Event-UUID` is not an id: all webhooks that
    one event triggers share it. https://docs.gitlab.com/user/project/integrations/webhooks/
    """

    name = "gitlab"
    label = "GitLab: the secret token"
    id_header = "idempotency-key"
    type_header = "x-gitlab-event"

    def __init__(self) -> None:
        super().__init__("x-gitlab-token")

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        headers = message.json_headers(Idempotency_Key=message.message_id, X_Gitlab_Event=message.event_type)
        return SignedMessage({**super().sign(secret, message).headers, **headers}, message.body)

    def message_id(self, headers: Mapping[str, str]) -> str | None:
        return super().message_id(headers) or lowered(headers).get("x-gitlab-webhook-uuid") or None


def bearer_token(header: str, value: str) -> str:
    """Return the token after the word Bearer (RFC 6750 section 2.1). Raises MalformedHeader."""
    kind, _, token = value.partition(" ")
    if kind.lower() != "bearer" or not token.strip(" "):
        raise MalformedHeader(header)
    return token.strip(" ")
