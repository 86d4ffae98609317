import json
import time
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from delivery.sql.claim import Claimed
from delivery.transports.http.compose import compose
from delivery.transports.http.request import Request
from delivery.transports.outcome import Failure
from delivery.transports.transport import NotSent
from tests.delivery import factories_lanes
from tests.delivery.factories_lanes import make_target
from webhooks.wire.ids import public
from webhooks.wire.signing.keys import new_secret
from webhooks.wire.signing.standard_webhooks import Signer

SECRET = new_secret()
BODY = json.dumps(
    {
        "specversion": "1.0",
        "id": "o-1",
        "source": "/orders",
        "type": "order.created",
        "subject": "Zoë €",
        "data": {"total": 5},
    },
    ensure_ascii=False,
).encode()


def make_claimed(body: bytes = BODY, **changes: Any) -> Claimed:
    return factories_lanes.make_claimed(body, **changes)


def compose_or_not(claimed: Claimed, *, at: float | None = None, **target: Any) -> Request | NotSent:
    fields: dict[str, Any] = {"signer": Signer([SECRET]), "admits": lambda ip: True, **target}
    return compose(claimed, make_target(**fields), at or time.time())


def composed(claimed: Claimed, *, at: float | None = None, **target: Any) -> Request:
    request = compose_or_not(claimed, at=at, **target)
    assert isinstance(request, Request)
    return request


def headers_of(request: Request) -> dict[str, str]:
    """Return the headers by name; of a repeated name the last."""
    lines = (line.partition(":") for line in request.headers)
    return {name: value.strip() for name, _, value in lines if value.strip()}


class TestStructured:
    def test_structured_body_is_the_stored_bytes(self) -> None:
        request = composed(make_claimed())
        assert request.body == BODY
        assert headers_of(request)["content-type"] == "application/cloudevents+json"

    def test_webhook_id_is_the_event_and_timestamp_the_attempt(self) -> None:
        claimed = make_claimed()
        headers = headers_of(composed(claimed, at=1_900_000_000))
        assert headers["webhook-id"] == public("evt", claimed.event_id)
        assert headers["webhook-timestamp"] == "1900000000"

    def test_retry_differs_in_timestamp_and_signature_only(self) -> None:
        claimed = make_claimed()
        first, second = (composed(claimed._replace(attempts=n), at=1_900_000_000 + n) for n in (0, 1))
        one, other = headers_of(first), headers_of(second)
        assert first.body == second.body
        assert {name for name in one if one[name] != other[name]} == {"webhook-timestamp", "webhook-signature"}

    def test_request_has_the_url_timeout_and_headers_of_the_endpoint(self) -> None:
        request = composed(make_claimed(), url="https://example.com/h", timeout_ms=3_000, headers=("x-team: red",))
        assert (request.url, request.timeout_ms) == ("https://example.com/h", 3_000)
        assert headers_of(request)["x-team"] == "red"

    def test_request_asks_for_identity_encoding_and_disables_expect(self) -> None:
        request = composed(make_claimed())
        assert "accept-encoding: identity" in request.headers
        assert "expect:" in request.headers
        assert headers_of(request)["user-agent"].startswith("Waypost/")


class TestBinary:
    def test_binary_body_is_the_data_and_headers_are_the_attributes(self) -> None:
        request = composed(make_claimed(), content_mode="binary")
        headers = headers_of(request)
        assert json.loads(request.body) == {"total": 5}
        assert headers["content-type"] == "application/json"
        assert (headers["ce-id"], headers["ce-source"], headers["ce-type"]) == ("o-1", "/orders", "order.created")
        assert headers["ce-specversion"] == "1.0"

    def test_binary_attribute_that_no_header_can_hold_is_escaped(self) -> None:
        headers = composed(make_claimed(), content_mode="binary").headers
        assert "ce-subject: Zo%C3%AB%20%E2%82%AC" in headers
        assert all(line.isascii() for line in headers)

    def test_binary_event_without_data_has_an_empty_body(self) -> None:
        body = b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}'
        assert composed(make_claimed(body), content_mode="binary").body == b""


EVENT = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":5}'


class TestRendered:
    @pytest.mark.parametrize("mode", ["structured", "binary"])
    def test_transformed_body_is_sent_unchanged_in_any_mode(self, mode: str) -> None:
        request = composed(make_claimed(b'{"text":"5"}', rendered=True), content_mode=mode)
        assert request.body == b'{"text":"5"}'
        assert headers_of(request)["content-type"] == "application/json"
        assert not any(line.startswith("ce-") for line in request.headers)

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b'{"text":"5"}', "application/json"),
            (b" [1] ", "application/json"),
            (b'"text"', "application/json"),
            (b" [" + EVENT + b"," + EVENT + b"]", "application/cloudevents-batch+json"),
            (b"[" + EVENT + b",1]", "application/json"),
            (b"[" + EVENT + b'{"specversion":"1.0"}]', "text/plain; charset=utf-8"),
            (b"[]", "application/json"),
            (b"[not json]", "text/plain; charset=utf-8"),
            (EVENT, "application/cloudevents+json"),
            (b'{"specversion":"1.0","id":"1","type":"t"}', "application/json"),  # no source: no event
            (b"Order A-17 was paid", "text/plain; charset=utf-8"),
            (b"{not json}", "text/plain; charset=utf-8"),
            (b"", "text/plain; charset=utf-8"),
            ("grün".encode(), "text/plain; charset=utf-8"),
            (b'{"a":"' + b"x" * 100_000 + b'"}', "application/json"),
            (b"x" * 100_000, "text/plain; charset=utf-8"),
        ],
    )
    def test_content_type_follows_what_the_transformer_has_made(self, body: bytes, content_type: str) -> None:
        request = composed(make_claimed(body, rendered=True))
        assert (request.body, headers_of(request)["content-type"]) == (body, content_type)


class TestReferences:
    @pytest.mark.parametrize("mode", ["structured", "binary", "reference"])
    def test_reference_is_sent_structured_in_any_mode(self, mode: str) -> None:
        request = composed(
            make_claimed(BODY, rendered=True, content_type="application/cloudevents+json"), content_mode=mode
        )
        assert request.body == BODY
        assert headers_of(request)["content-type"] == "application/cloudevents+json"


class TestSignature:
    @pytest.mark.parametrize("mode", ["structured", "binary"])
    def test_signature_is_verified_by_the_standard_library(self, mode: str) -> None:
        request = composed(make_claimed(), content_mode=mode)
        assert Webhook(SECRET).verify(request.body, headers_of(request))

    def test_signature_of_another_body_fails_verification(self) -> None:
        request = composed(make_claimed())
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(request.body + b" ", headers_of(request))

    def test_signature_during_rotation_verifies_with_either_secret(self) -> None:
        old = new_secret()
        request = composed(make_claimed(), signer=Signer([SECRET, old]))
        assert Webhook(SECRET).verify(request.body, headers_of(request))
        assert Webhook(old).verify(request.body, headers_of(request))

    @pytest.mark.parametrize(
        ("lacking", "failure"),
        [
            ({"signer": None}, Failure.UNSIGNED),
            ({"admits": None}, Failure.FORBIDDEN),
            ({"headers": None}, Failure.CREDENTIALS),
        ],
    )
    def test_compose_without_secret_address_or_credentials_returns_not_sent(
        self, lacking: dict[str, Any], failure: Failure
    ) -> None:
        assert compose_or_not(make_claimed(), **lacking) == NotSent(failure)

    def test_compose_of_an_unreadable_body_returns_not_sent_with_the_error(self) -> None:
        not_sent = compose_or_not(make_claimed(body=b"{"), content_mode="binary")
        assert isinstance(not_sent, NotSent)
        assert not_sent.failure is Failure.INTERNAL
        assert not_sent.error is not None


class TestBodyMember:
    """APIs that take their key in the body get it there, and no other place has it."""

    @pytest.mark.parametrize(
        ("body", "sent"),
        [
            (b'{"a": 1}', {"key": 'k"1', "a": 1}),
            (b"{}", {"key": 'k"1'}),
            (b' { "a": [1] }', {"key": 'k"1', "a": [1]}),
        ],
    )
    def test_member_is_added_and_signed(self, body: bytes, sent: Any) -> None:
        request = composed(make_claimed(body, rendered=True), body_member=("key", 'k"1'))
        assert json.loads(request.body) == sent
        Webhook(SECRET).verify(request.body, headers_of(request))

    @pytest.mark.parametrize("body", [b"[1]", b"text", b"", b"{"])
    def test_body_that_is_no_object_is_not_sent(self, body: bytes) -> None:
        refused = compose_or_not(make_claimed(body, rendered=True), body_member=("key", "secret-1"))
        assert isinstance(refused, NotSent)
        assert "secret-1" not in str(refused)
        assert (refused.failure, refused.is_final, refused.rejected) == (Failure.BODY_NOT_OBJECT, True, True)
        assert "Have the transformer make an object" in refused.detail
        assert refused.error is None
