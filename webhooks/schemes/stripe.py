"""Stripe: time and body are signed, and one header has the time, the signatures and their versions.

https://docs.stripe.com/webhooks#verify-manually. The secret is used as text, with `whsec_`. Only `v1` counts: if other
versions were accepted, a forger could choose the weakest. Unlike Stripe's own libraries, this rejects a time in the
future: a message that was signed ahead, or by a wrong clock, could be replayed until that time.
"""

from collections.abc import Sequence

from webhooks.schemes.scheme import BodyVerifier, Scheme, SignedMessage, UnsignedMessage, VerificationContext
from webhooks.wire.errors import MalformedHeader
from webhooks.wire.signing.hmac_signatures import HmacVerifier, hex_digest, hmac_signature, keys_from_text

_HEADER = "stripe-signature"


class Stripe(Scheme):
    """`Stripe-Signature: t=...,v1=...`: the HMAC-SHA256 of `t.body` in lower-case hex, once for each secret."""

    name = "stripe"
    label = "Stripe: the signing secret of the endpoint, with whsec_"
    id_path = "/id"

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        keys = keys_from_text(secrets)
        items = [item.partition("=") for item in context.header(_HEADER).split(",")]
        times = [value for name, _, value in items if name == "t"]
        signatures = [value for name, _, value in items if name == "v1"]
        if len(times) != 1 or not signatures:
            raise MalformedHeader(_HEADER)
        context.check_timestamp(_HEADER, times[0])
        return HmacVerifier(keys, signatures, hex_digest, head=f"{times[0]}.".encode())

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        signature = hmac_signature(secret, b"%d.%b" % (message.now, message.body), hex_digest)
        return SignedMessage(message.json_headers(Stripe_Signature=f"t={message.now},v1={signature}"), message.body)
