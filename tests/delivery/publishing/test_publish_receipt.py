"""The publish handler publishes a receipt as an event of its owner, in the transaction that settles the receipt."""

from typing import Any

import orjson
import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from delivery import notify
from delivery.models import Delivery, Event
from delivery.publishing.publish_receipt import publish_receipt
from delivery.publishing.results import PublishError
from subscriptions.models import Tenant
from tests.factories import make_subscription, make_tenant
from tests.factories_receiver import make_receipt, make_source
from tests.webhooks.wire.envelopes import samples
from webhooks.models import Receipt
from webhooks.processing.handler_registry import BUILT_IN
from webhooks.processing.process import process_due

pytestmark = pytest.mark.django_db
CLOUDEVENT = {"specversion": "1.0", "id": "o-1", "source": "/orders", "type": "order.created", "data": {"n": 1}}


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)


@pytest.fixture
def tenant() -> Tenant:
    return make_subscription().tenant


def received(tenant: Tenant | None, body: bytes, *, envelope: str = "auto", **changes: Any) -> Receipt:
    source = make_source(tenant_id=tenant and tenant.pk, envelope=envelope, handlers=[{"handler": "publish"}])
    return make_receipt(source, body=body, **changes)


def published_event() -> dict[str, Any]:
    """Return the only stored event, as its endpoint gets it."""
    return dict(orjson.loads(bytes(Event.objects.get().body)))


def test_handler_is_registered_by_its_name() -> None:
    assert import_string(BUILT_IN["publish"]) is publish_receipt


def test_other_json_becomes_the_data_of_an_event(tenant: Tenant) -> None:
    receipt = received(tenant, b'{"action": "opened"}', message_id="m-1", event_type="issues")
    (published,) = publish_receipt(receipt)
    assert published.deliveries == 1
    event = published_event()
    assert event["data"] == {"action": "opened"}
    assert (event["id"], event["type"]) == ("m-1", "issues")
    assert event["source"] == f"urn:waypost:{receipt.source.public_id}"
    assert Delivery.objects.get().endpoint.tenant == tenant


def test_other_bytes_become_binary_data(tenant: Tenant) -> None:
    publish_receipt(received(tenant, b"\x00\xff", content_type="application/octet-stream"))
    assert published_event()["data_base64"] == "AP8="
    assert published_event()["datacontenttype"] == "application/octet-stream"


def test_receipt_without_a_type_gets_the_default_type(tenant: Tenant) -> None:
    publish_receipt(received(tenant, b"{}", event_type=""))
    assert published_event()["type"] == "webhook.received"


def test_cloudevent_is_published_unchanged(tenant: Tenant) -> None:
    publish_receipt(received(tenant, orjson.dumps(CLOUDEVENT), content_type="application/cloudevents+json"))
    assert published_event().items() >= CLOUDEVENT.items()


def test_loop_is_counted_and_ended(tenant: Tenant) -> None:
    structured = "application/cloudevents+json"
    for passed, hops in ((None, "1"), (1, "2"), (7, "8"), ("often", "1")):
        event = CLOUDEVENT | {"id": f"o-{hops}-{passed}"} | ({} if passed is None else {"hopcount": passed})
        (result,) = publish_receipt(received(tenant, orjson.dumps(event), content_type=structured))
        stored = orjson.loads(bytes(Event.objects.get(id=result.key).body))
        assert str(stored["hopcount"]) == hops
    with pytest.raises(PublishError, match="loop"):
        publish_receipt(received(tenant, orjson.dumps(CLOUDEVENT | {"hopcount": 8}), content_type=structured))


def test_batch_is_published_event_by_event(tenant: Tenant) -> None:
    batch = orjson.dumps([CLOUDEVENT, CLOUDEVENT | {"id": "o-2"}])
    results = publish_receipt(received(tenant, batch, content_type="application/cloudevents-batch+json"))
    assert [it.event_id for it in results] == ["o-1", "o-2"]


def test_receipt_handled_again_publishes_nothing(tenant: Tenant) -> None:
    receipt = received(tenant, b"{}")
    first, second = publish_receipt(receipt), publish_receipt(receipt)
    assert [it.duplicate for it in first + second] == [False, True]
    assert Event.objects.count() == 1


@pytest.mark.parametrize("owner", ["unknown", "a deleted tenant"])
def test_receipt_without_an_owner_publishes_nothing(owner: str) -> None:
    tenant = make_tenant(deleted_at="2026-01-01T00:00:00Z") if owner == "a deleted tenant" else None
    with pytest.raises(Tenant.DoesNotExist):
        publish_receipt(received(tenant, b"{}"))
    assert not Event.objects.exists()


def test_receipt_that_cannot_be_an_event_fails_with_the_reason(tenant: Tenant) -> None:
    too_large = b'"' + b"x" * settings.WAYPOST_MAX_EVENT_BYTES + b'"'
    with pytest.raises(PublishError):
        publish_receipt(received(tenant, too_large))


def test_invalid_event_of_a_batch_rolls_back_the_others(tenant: Tenant) -> None:
    """The receipt is retried as a whole."""
    publish_receipt(received(tenant, orjson.dumps(CLOUDEVENT), content_type="application/cloudevents+json"))
    conflict = CLOUDEVENT | {"data": "something else"}
    batch = orjson.dumps([CLOUDEVENT | {"id": "o-2"}, conflict])
    receipt = received(tenant, batch, content_type="application/cloudevents-batch+json")
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.attempts) == ("pending", 1)
    assert Event.objects.count() == 1


def test_event_and_settled_receipt_commit_together(tenant: Tenant) -> None:
    receipt = received(tenant, b"{}")
    process_due()
    receipt.refresh_from_db()
    assert receipt.state == "processed"
    assert Event.objects.get().event_id == receipt.message_id


def test_event_of_eventbridge_reaches_the_patterns_that_are_written_for_it() -> None:
    pattern = {"source": ["aws.ec2"], "detail-type": [{"prefix": "EC2 "}], "detail": {"state": ["terminated"]}}
    tenant = make_subscription(pattern=pattern).tenant
    (result,) = publish_receipt(received(tenant, orjson.dumps(samples.EVENTBRIDGE)))
    assert result.deliveries == 1
    event = published_event()
    assert (event["id"], event["type"]) == (samples.EVENTBRIDGE["id"], samples.EVENTBRIDGE["detail-type"])
    assert (event["data"], event["hopcount"]) == (samples.EVENTBRIDGE["detail"], "1")


def test_each_record_of_a_notification_in_a_message_is_published_once(tenant: Tenant) -> None:
    other = {**samples.S3_RECORD, "s3": {**samples.S3_RECORD["s3"], "object": {"key": "b.jpg"}}}
    message = orjson.dumps({"Records": [samples.S3_RECORD, other]}).decode()
    receipt = received(tenant, orjson.dumps({**samples.SNS, "Message": message}), content_type="text/plain")
    first, second = publish_receipt(receipt), publish_receipt(receipt)
    assert [it.duplicate for it in first + second] == [False, False, True, True]
    assert {it.type for it in Event.objects.all()} == {"com.amazonaws.s3.ObjectCreated:Put"}


def test_message_without_the_envelope_of_its_source_is_dead_with_the_reason(tenant: Tenant) -> None:
    receipt = received(tenant, b'{"a": 1}', envelope="eventbridge")
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.cause, receipt.attempts) == ("dead", "unreadable_body", 1)
    assert "the body is not opened as Amazon EventBridge: detail-type is missing" in receipt.last_error
    assert not Event.objects.exists()


def test_source_without_envelope_publishes_the_body_as_it_is_and_ends_loops_too(tenant: Tenant) -> None:
    structured = "application/cloudevents+json"
    publish_receipt(
        received(tenant, orjson.dumps(CLOUDEVENT), envelope="none", event_type="t", content_type=structured)
    )
    assert (published_event()["type"], published_event()["data"]) == ("t", CLOUDEVENT)
    body = orjson.dumps(CLOUDEVENT | {"hopcount": 8})
    looping = received(tenant, body, envelope="none", content_type=structured)
    with pytest.raises(PublishError, match="loop"):
        publish_receipt(looping)
