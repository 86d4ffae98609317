"""A secret word in a header: a bearer token (RFC 6750), or a key in a header of its own.

It proves who calls, and nothing about the body.
"""

from collections.abc import Sequence

from webhooks.protocol.errors import BadOptions, MalformedHeader, NoMatch
from webhooks.protocol.mac import same, text_keys
from webhooks.schemes.scheme import Call, Check, Passed, Scheme


class Token(Scheme):
    """The header holds the secret and nothing else, e.g. `X-Api-Key` or `X-Gitlab-Token`."""

    def __init__(self, header: str = "x-api-key") -> None:
        if not header.strip():
            raise BadOptions("header")
        self._header = header.lower()

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        text_keys(secrets)
        given = self._word(call.header(self._header))
        # Every secret is compared, so that the time does not tell which one it was.
        if not sum(same(secret, given) for secret in secrets):
            raise NoMatch
        return Passed()

    def _word(self, value: str) -> str:
        return value


class Bearer(Token):
    """`Authorization: Bearer` and the secret."""

    def __init__(self) -> None:
        super().__init__("authorization")

    def _word(self, value: str) -> str:
        kind, _, word = value.partition(" ")
        if kind.lower() != "bearer" or not word.strip(" "):
            raise MalformedHeader(self._header)
        return word.strip(" ")


class GitLab(Token):
    """GitLab sends its secret token as it is. https://docs.gitlab.com/user/project/integrations/webhooks/"""

    id_header = "x-gitlab-event-uuid"
    type_header = "x-gitlab-event"

    def __init__(self) -> None:
        super().__init__("x-gitlab-token")
