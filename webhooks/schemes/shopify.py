"""Shopify: the body alone is signed, with the client secret of the app.

https://shopify.dev/docs/apps/build/webhooks/verify-deliveries
"""

from collections.abc import Sequence

from webhooks.schemes.scheme import Call, Check, Draft, Sample, Scheme
from webhooks.wire.signing.mac import MacCheck, in_base64, spelled, text_keys


class Shopify(Scheme):
    """`X-Shopify-Hmac-Sha256`: the HMAC-SHA256 of the body in base64."""

    id_header = "x-shopify-webhook-id"
    type_header = "x-shopify-topic"

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        return MacCheck(text_keys(secrets), [call.header("x-shopify-hmac-sha256")], in_base64)

    def sign(self, secret: str, draft: Draft) -> Sample:
        signature = spelled(secret, draft.body, in_base64)
        headers = draft.named(X_Shopify_Webhook_Id=draft.message_id, X_Shopify_Topic=draft.event_type)
        return Sample({**headers, "X-Shopify-Hmac-Sha256": signature}, draft.body)
