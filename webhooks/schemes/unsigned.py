"""No proof at all, for whoever says so out loud. A secret here is a misunderstanding, and refused."""

from collections.abc import Sequence

from webhooks.protocol.errors import BadSecret
from webhooks.schemes.scheme import Call, Check, Passed, Scheme


class Unsigned(Scheme):
    """Every message is accepted."""

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        if secrets:
            raise BadSecret("the scheme uses none, so somebody expects a check that will not happen")
        return Passed()
