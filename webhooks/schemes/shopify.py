"""Shopify: only the body is signed, with the client secret of the app.

https://shopify.dev/docs/apps/build/webhooks/verify-deliveries
"""

from collections.abc import Sequence

from webhooks.schemes.scheme import BodyVerifier, Scheme, SignedMessage, UnsignedMessage, VerificationContext
from webhooks.wire.signing.hmac_signatures import HmacVerifier, base64_digest, hmac_signature, keys_from_text


class Shopify(Scheme):
    """`X-Shopify-Hmac-Sha256`: the HMAC-SHA256 of the body in base64."""

    name = "shopify"
    label = "Shopify: the client secret of the app"
    id_header = "x-shopify-webhook-id"
    type_header = "x-shopify-topic"

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        return HmacVerifier(keys_from_text(secrets), [context.header("x-shopify-hmac-sha256")], base64_digest)

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        signature = hmac_signature(secret, message.body, base64_digest)
        headers = message.json_headers(X_Shopify_Webhook_Id=message.message_id, X_Shopify_Topic=message.event_type)
        return SignedMessage({**headers, "X-Shopify-Hmac-Sha256": signature}, message.body)
