"""A secret that the sender repeats: a bearer token (RFC 6750), a header of its own, a parameter, a member of the body.

It authenticates the caller; the body is not signed.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from webhooks.schemes.sample_body import with_member
from webhooks.schemes.scheme import (
    BodyVerifier,
    KeptBody,
    Scheme,
    SignedMessage,
    UnsignedBody,
    UnsignedMessage,
    VerificationContext,
)
from webhooks.wire.errors import BadOptions, MalformedHeader, NoMatchingSignature
from webhooks.wire.header_values import is_name, lowered
from webhooks.wire.message_values import MessageValues, is_in_body, is_path
from webhooks.wire.signing.hmac_signatures import keys_from_text, matching_index


class HeaderToken(Scheme):
    """A header with the secret and nothing else, e.g. `X-Api-Key`, or the place that `path` names. Raises BadOptions.

    With ``*`` in the JSON pointer every element of a list must have the secret. A body is kept in memory, up to 32 MiB.
    """

    name = "token"
    label = "Secret in a header: named by the option header; elsewhere: by the option path"

    def __init__(self, header: str = "x-api-key", path: str = "") -> None:
        if not is_name(header):
            raise BadOptions("header must be a header name")
        if path and (not is_path(path) or path.startswith("header:")):
            raise BadOptions("path must be query:name, body:/json/pointer or form:name")
        self._header, self._path = header.lower(), path

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        keys_from_text(secrets)
        if is_in_body(self._path):
            return _BodyTokenVerifier(secrets, context, self._path)
        if self._path:
            values = MessageValues(context.headers, context.url_parts().query)
            return UnsignedBody(_matching(secrets, values, self._path))
        return UnsignedBody(matching_index(secrets, self._token(context.header(self._header))))

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        keys_from_text([secret])
        headers = message.json_headers()
        part, _, name = self._path.partition(":")
        if part == "query":
            return SignedMessage(headers, message.body, urlencode({name: secret}))
        if part == "form":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if part:
            return SignedMessage(headers, with_member(message.body, self._path, secret))
        return SignedMessage({**headers, self._header: secret}, message.body)

    def _token(self, value: str) -> str:
        return value


class _BodyTokenVerifier(KeptBody):
    """Keep the body, and compare what is at the path."""

    def __init__(self, secrets: Sequence[str], context: VerificationContext, path: str) -> None:
        super().__init__()
        self._secrets, self._context, self._path = secrets, context, path

    def finish(self) -> int:
        """Return the index of the secret. Raises NoMatchingSignature."""
        values = MessageValues(self._context.headers, "", self.content, paths=[self._path])
        return _matching(self._secrets, values, self._path)


def _matching(secrets: Sequence[str], values: MessageValues, path: str) -> int:
    """Return the index of the secret that every value at the path equals. Raises NoMatchingSignature."""
    indexes = {matching_index(secrets, value) for value in values.find_all(path)}
    if len(indexes) != 1:
        raise NoMatchingSignature(f"the message has no {path}, or several")
    return indexes.pop()


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
