"""Standard Webhooks 1.0.0, and Svix, which sends the same under its own header names."""

from collections.abc import Mapping, Sequence

from webhooks.schemes.scheme import JSON, BodyVerifier, Scheme, SignedMessage, UnsignedMessage, VerificationContext
from webhooks.wire.errors import SenderKeyRequired
from webhooks.wire.header_values import lowered
from webhooks.wire.signing import keys, standard_webhooks

_PARTS = ("id", "timestamp", "signature")


class Standard(Scheme):
    """The three headers of one family count together: the first family that is complete, never a mixture."""

    def __init__(self, *families: str) -> None:
        self._families = families or ("webhook-", "svix-")

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        family = self._family(context.headers)
        return standard_webhooks.begin_verification(
            secrets, context.headers, now=context.now, tolerance=context.tolerance, prefix=family
        )

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        if secret.startswith(keys.PUBLIC_KEY_PREFIX):
            raise SenderKeyRequired("The private key to this public one is the sender's alone.")
        values = (
            message.message_id,
            str(message.now),
            standard_webhooks.sign(secret, message.message_id, message.now, message.body),
        )
        proof = {self._families[0] + part: value for part, value in zip(_PARTS, values, strict=True)}
        return SignedMessage({**JSON, **proof}, message.body)

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
