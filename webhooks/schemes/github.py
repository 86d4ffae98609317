"""GitHub: only the body is signed, so only the delivery id tells a replay attack from a new message.

https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries. The legacy SHA-1 header is ignored.
"""

import hmac
from collections.abc import Sequence

from webhooks.schemes.scheme import BodyVerifier, Scheme, SignedMessage, UnsignedMessage, VerificationContext
from webhooks.wire.signing.hmac_signatures import HmacVerifier, hex_digest, hmac_signature, keys_from_text


class GitHub(Scheme):
    """`X-Hub-Signature-256: sha256=` and the HMAC-SHA256 of the body in lower-case hex."""

    name = "github"
    label = "GitHub: the webhook secret"
    id_header = "x-github-delivery"
    type_header = "x-github-event"

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        return HmacVerifier(keys_from_text(secrets), [context.header("x-hub-signature-256")], sha256_hex)

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        signature = hmac_signature(secret, message.body, sha256_hex)
        headers = message.json_headers(X_GitHub_Delivery=message.message_id, X_GitHub_Event=message.event_type)
        return SignedMessage({**headers, "X-Hub-Signature-256": signature}, message.body)


def sha256_hex(mac: hmac.HMAC) -> str:
    """Encode a digest as `sha256=` and lower-case hex."""
    return "sha256=" + hex_digest(mac)
