"""A secret word in a header: a bearer token (RFC 6750), or a key in a header of its own.

It proves who calls, and nothing about the body.
"""

from collections.abc import Sequence

from webhooks.schemes.scheme import Call, Check, Draft, Passed, Sample, Scheme
from webhooks.wire.errors import BadOptions, MalformedHeader
from webhooks.wire.header_values import is_name
from webhooks.wire.signing.mac import text_keys, which


class Token(Scheme):
    """The header holds the secret and nothing else, e.g. `X-Api-Key` or `X-Gitlab-Token`. Raises BadOptions."""

    def __init__(self, header: str = "x-api-key") -> None:
        if not is_name(header):
            raise BadOptions("header")
        self._header = header.lower()

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        text_keys(secrets)
        return Passed(which(secrets, self._word(call.header(self._header))))

    def sign(self, secret: str, draft: Draft) -> Sample:
        text_keys([secret])
        return Sample({**draft.named(), self._header: secret}, draft.body)

    def _word(self, value: str) -> str:
        return value


class Bearer(Token):
    """`Authorization: Bearer` and the secret."""

    def __init__(self) -> None:
        super().__init__("authorization")

    def sign(self, secret: str, draft: Draft) -> Sample:
        return super().sign(f"Bearer {secret}" if secret else secret, draft)

    def _word(self, value: str) -> str:
        return bearer_token(self._header, value)


class GitLab(Token):
    """GitLab sends its secret token as it is. https://docs.gitlab.com/user/project/integrations/webhooks/"""

    id_header = "x-gitlab-event-uuid"
    type_header = "x-gitlab-event"

    def __init__(self) -> None:
        super().__init__("x-gitlab-token")

    def sign(self, secret: str, draft: Draft) -> Sample:
        headers = draft.named(X_Gitlab_Event_UUID=draft.message_id, X_Gitlab_Event=draft.event_type)
        return Sample({**super().sign(secret, draft).headers, **headers}, draft.body)


def bearer_token(header: str, value: str) -> str:
    """The token behind the word Bearer (RFC 6750 section 2.1). Raises MalformedHeader."""
    kind, _, word = value.partition(" ")
    if kind.lower() != "bearer" or not word.strip(" "):
        raise MalformedHeader(header)
    return word.strip(" ")
