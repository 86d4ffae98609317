"""No proof at all, for whoever says so out loud. A secret here is a misunderstanding, and refused."""

from collections.abc import Sequence

from webhooks.schemes.scheme import Call, Check, Draft, Passed, Sample, Scheme
from webhooks.wire.errors import BadSecret


class Unsigned(Scheme):
    """Every message is accepted."""

    needs_secret = False

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        if secrets:
            raise BadSecret("the scheme uses none, so somebody expects a check that will not happen")
        return Passed()

    def sign(self, secret: str, draft: Draft) -> Sample:
        return Sample(draft.named(), draft.body)
