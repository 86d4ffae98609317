import hmac
from base64 import b64encode

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks import schemes


class TestShopify(SchemeBattery):
    scheme = "shopify"
    signature_headers = ("X-Shopify-Hmac-Sha256",)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        signature = b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
        return Message({"X-Shopify-Hmac-Sha256": signature}, body)

    def test_verify_rejects_hex(self) -> None:
        signature = hmac.digest(self.secret.encode(), BODY, "sha256").hex()
        self.rejects(Message({"X-Shopify-Hmac-Sha256": signature}))

    def test_message_id_and_event_type_are_read_from_the_headers(self) -> None:
        headers = {"X-Shopify-Webhook-Id": "b54557e4", "X-Shopify-Topic": "orders/create"}
        assert schemes.get("shopify").message_id(headers) == "b54557e4"
        assert schemes.get("shopify").event_type(headers) == "orders/create"

    def test_message_id_is_that_of_the_webhook_or_else_of_the_event_and_its_topic(self) -> None:
        scheme = schemes.get("shopify")
        headers = {"X-Shopify-Event-Id": "e1", "X-Shopify-Topic": "orders/paid"}
        assert scheme.message_id({**headers, "X-Shopify-Webhook-Id": "w1"}) == "w1"
        assert scheme.message_id(headers) == "orders/paid e1"
        assert scheme.message_id({**headers, "X-Shopify-Topic": "orders/updated"}) == "orders/updated e1"
        assert scheme.message_id({"X-Shopify-Topic": "orders/paid"}) is None

    def test_message_of_events_has_the_same_headers_without_x(self) -> None:
        signature = b64encode(hmac.digest(self.secret.encode(), BODY, "sha256")).decode()
        headers = {"Shopify-Hmac-Sha256": signature, "Shopify-Webhook-Id": "w1", "Shopify-Topic": "Product"}
        self.verify(Message(headers, BODY), self.secret)
        self.rejects(Message({**headers, "Shopify-Hmac-Sha256": "AAAA"}, BODY))
        self.rejects(Message({**headers, "X-Shopify-Hmac-Sha256": "AAAA"}, BODY))
        assert schemes.get("shopify").message_id(headers) == "w1"
        assert schemes.get("shopify").event_type(headers) == "Product"
