"""Standard Webhooks 1.0.0, and Svix, which sends the same under other header names."""

from collections.abc import Mapping, Sequence

from webhooks.schemes.scheme import JSON, BodyVerifier, Scheme, SignedMessage, UnsignedMessage, VerificationContext
from webhooks.wire.errors import SenderKeyRequired
from webhooks.wire.header_values import lowered
from webhooks.wire.signing import keys, standard_webhooks

_PARTS = ("id", "timestamp", "signature")


class StandardWebhooks(Scheme):
    """The three headers of one prefix, `webhook-` or `svix-`: the first complete set counts, never a mixture."""

    name = "standard"
    label = "Standard Webhooks: Waypost itself and many others"

    def __init__(self, *prefixes: str) -> None:
        self._prefixes = prefixes or ("webhook-", "svix-")

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        prefix = self._prefix(context.headers)
        return standard_webhooks.begin_verification(
            secrets, context.headers, now=context.now, tolerance=context.tolerance, prefix=prefix
        )

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        if secret.startswith(keys.PUBLIC_KEY_PREFIX):
            raise SenderKeyRequired("Only the sender has the private key to this public key.")
        values = (
            message.message_id,
            str(message.now),
            standard_webhooks.sign(secret, message.message_id, message.now, message.body),
        )
        headers = {self._prefixes[0] + part: value for part, value in zip(_PARTS, values, strict=True)}
        return SignedMessage({**JSON, **headers}, message.body)

    def message_id(self, headers: Mapping[str, str]) -> str | None:
        fields = lowered(headers)
        return fields.get(self._prefix(fields) + "id") or None

    def _prefix(self, headers: Mapping[str, str]) -> str:
        complete = (prefix for prefix in self._prefixes if all(headers.get(prefix + part) for part in _PARTS))
        return next(complete, self._prefixes[0])


class Svix(StandardWebhooks):
    """Standard Webhooks, with the `svix-` headers first."""

    name = "svix"
    label = "Svix: Standard Webhooks in svix- headers"

    def __init__(self) -> None:
        super().__init__("svix-", "webhook-")
