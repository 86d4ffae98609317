"""Meta (Facebook, Instagram, WhatsApp, Messenger): only the body is signed, with the app secret.

https://developers.facebook.com/docs/graph-api/webhooks/getting-started. The messages have no id. The URL is verified by
the `hub` handshake before the first message.
"""

from collections.abc import Sequence

from webhooks.schemes.github import sha256_hex
from webhooks.schemes.scheme import BodyVerifier, Scheme, SignedMessage, UnsignedMessage, VerificationContext
from webhooks.wire.signing.hmac_signatures import HmacVerifier, hmac_signature, keys_from_text


class Meta(Scheme):
    """`X-Hub-Signature-256: sha256=` and the HMAC-SHA256 of the body in lower-case hex."""

    name = "meta"
    label = "Meta (Facebook, Instagram, WhatsApp): the app secret"

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        return HmacVerifier(keys_from_text(secrets), [context.header("x-hub-signature-256")], sha256_hex)

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        signature = hmac_signature(secret, message.body, sha256_hex)
        return SignedMessage({**message.json_headers(), "X-Hub-Signature-256": signature}, message.body)
