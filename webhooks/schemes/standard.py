"""Standard Webhooks 1.0.0, and Svix, which sends the same under its own header names."""

from collections.abc import Mapping, Sequence

from webhooks.schemes.scheme import JSON, Call, Check, Draft, Sample, Scheme
from webhooks.wire.errors import OnlyTheSenderSigns
from webhooks.wire.header_values import lowered
from webhooks.wire.signing import keys, standard_webhooks

_PARTS = ("id", "timestamp", "signature")


class Standard(Scheme):
    """The three headers of one family count together: the first family that is complete, never a mixture."""

    def __init__(self, *families: str) -> None:
        self._families = families or ("webhook-", "svix-")

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        family = self._family(call.headers)
        return standard_webhooks.begin(secrets, call.headers, now=call.now, tolerance=call.tolerance, prefix=family)

    def sign(self, secret: str, draft: Draft) -> Sample:
        if secret.startswith(keys.PUBLIC):
            raise OnlyTheSenderSigns("The private key to this public one is the sender's alone.")
        values = (
            draft.message_id,
            str(draft.now),
            standard_webhooks.sign(secret, draft.message_id, draft.now, draft.body),
        )
        proof = {self._families[0] + part: value for part, value in zip(_PARTS, values, strict=True)}
        return Sample({**JSON, **proof}, draft.body)

    def message_id(self, headers: Mapping[str, str]) -> str | None:
        found = lowered(headers)
        return found.get(self._family(found) + "id") or None

    def _family(self, headers: Mapping[str, str]) -> str:
        complete = (family for family in self._families if all(headers.get(family + part) for part in _PARTS))
        return next(complete, self._families[0])


class Svix(Standard):
    """Svix names its own headers first."""

    def __init__(self) -> None:
        super().__init__("svix-", "webhook-")
