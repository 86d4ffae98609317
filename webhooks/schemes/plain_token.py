"""A secret word in a header: a bearer token (RFC 6750), or a key in a header of its own.

It proves who calls, and nothing about the body.
"""

from collections.abc import Sequence

from webhooks.schemes.scheme import (
    BodyVerifier,
    Scheme,
    SignedMessage,
    UnsignedBody,
    UnsignedMessage,
    VerificationContext,
)
from webhooks.wire.errors import BadOptions, MalformedHeader
from webhooks.wire.header_values import is_name
from webhooks.wire.signing.hmac_signatures import keys_from_text, matching_index


class HeaderToken(Scheme):
    """The header holds the secret and nothing else, e.g. `X-Api-Key` or `X-Gitlab-Token`. Raises BadOptions."""

    def __init__(self, header: str = "x-api-key") -> None:
        if not is_name(header):
            raise BadOptions("header")
        self._header = header.lower()

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        keys_from_text(secrets)
        return UnsignedBody(matching_index(secrets, self._word(context.header(self._header))))

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        keys_from_text([secret])
        return SignedMessage({**message.json_headers(), self._header: secret}, message.body)

    def _word(self, value: str) -> str:
        return value


class Bearer(HeaderToken):
    """`Authorization: Bearer` and the secret."""

    def __init__(self) -> None:
        super().__init__("authorization")

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        return super().sign(f"Bearer {secret}" if secret else secret, message)

    def _word(self, value: str) -> str:
        return bearer_token(self._header, value)


class GitLab(HeaderToken):
    """GitLab sends its secret token as it is. https://docs.gitlab.com/user/project/integrations/webhooks/"""

    id_header = "x-gitlab-event-uuid"
    type_header = "x-gitlab-event"

    def __init__(self) -> None:
        super().__init__("x-gitlab-token")

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        headers = message.json_headers(X_Gitlab_Event_UUID=message.message_id, X_Gitlab_Event=message.event_type)
        return SignedMessage({**super().sign(secret, message).headers, **headers}, message.body)


def bearer_token(header: str, value: str) -> str:
    """The token behind the word Bearer (RFC 6750 section 2.1). Raises MalformedHeader."""
    kind, _, word = value.partition(" ")
    if kind.lower() != "bearer" or not word.strip(" "):
        raise MalformedHeader(header)
    return word.strip(" ")
