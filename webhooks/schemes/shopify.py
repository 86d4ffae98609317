"""Shopify: only the body is signed, with the client secret of the app.

https://shopify.dev/docs/apps/build/webhooks/verify-deliveries. `X-Shopify-Webhook-Id` is the same for every attempt at
a message. Where it is missing, `X-Shopify-Event-Id` identifies the event, which webhooks of several topics may share
(https://shopify.dev/docs/apps/build/webhooks/ignore-duplicates), so the topic is a part of the id then.

Shopify's Events, which follow webhooks, have the same headers without ``X-``
(https://shopify.dev/docs/apps/build/events/delivery-structure).
"""

from collections.abc import Mapping, Sequence

from webhooks.schemes.scheme import BodyVerifier, Scheme, SignedMessage, UnsignedMessage, VerificationContext
from webhooks.wire.header_values import lowered
from webhooks.wire.signing.hmac_signatures import HmacVerifier, base64_digest, hmac_signature, keys_from_text

_KINDS = ("x-shopify-", "shopify-")  # of headers: those of webhooks, those of Events


class Shopify(Scheme):
    """`X-Shopify-Hmac-Sha256` or `Shopify-Hmac-Sha256`: the HMAC-SHA256 of the body in base64."""

    name = "shopify"
    label = "Shopify: the client secret of the app"
    id_header = "x-shopify-webhook-id"
    type_header = "x-shopify-topic"

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        name = next((f"{kind}hmac-sha256" for kind in _KINDS if f"{kind}hmac-sha256" in context.headers), "")
        signature = context.header(name or "x-shopify-hmac-sha256")
        return HmacVerifier(keys_from_text(secrets), [signature], base64_digest)

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        signature = hmac_signature(secret, message.body, base64_digest)
        headers = message.json_headers(X_Shopify_Webhook_Id=message.message_id, X_Shopify_Topic=message.event_type)
        return SignedMessage({**headers, "X-Shopify-Hmac-Sha256": signature}, message.body)

    def message_id(self, headers: Mapping[str, str]) -> str | None:
        fields = lowered(headers)
        event, topic = _first(fields, "event-id"), _first(fields, "topic")
        return _first(fields, "webhook-id") or (f"{topic} {event}".strip() if event else None)

    def event_type(self, headers: Mapping[str, str]) -> str | None:
        return _first(lowered(headers), "topic") or None


def _first(fields: Mapping[str, str], name: str) -> str:
    return next((fields[f"{kind}{name}"] for kind in _KINDS if fields.get(f"{kind}{name}")), "")
