"""Receipts that are published together end as those that are published one by one."""

from typing import Any

import orjson
import pytest
from django.conf import settings
from django.db import DatabaseError

from delivery import notify
from delivery.models import Delivery, Event
from delivery.publishing import publish_receipt
from subscriptions.models import Tenant
from tests.factories import make_subscription
from tests.factories_receiver import make_receipt, make_source
from webhooks.models import Receipt, Source
from webhooks.processing.handlers import handles
from webhooks.processing.process import process_due
from webhooks.processing.running import handler_batches

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]
CLOUDEVENT = {"specversion": "1.0", "id": "o-1", "source": "/orders", "type": "order.created", "data": {"n": 1}}
STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)


def source_of(tenant: Tenant | None, name: str, handler: dict[str, Any] | None = None, **changes: Any) -> Source:
    handlers = [handler or {"handler": "publish"}]
    return make_source(tenant_id=tenant and tenant.pk, envelope="auto", uid=name, handlers=handlers, **changes)


def receive_all(tenant: Tenant) -> None:
    """Store receipts of every kind, in a fixed order."""
    plain = source_of(tenant, "plain")
    orders = source_of(tenant, "orders", {"handler": "publish", "pattern": {"type": [{"prefix": "order."}]}})
    owned_by_none = source_of(None, "none")
    in_sequence = source_of(tenant, "sequence", sequence_path="body:/n")
    other = source_of(make_subscription().tenant, "other")
    too_large = b'"' + b"x" * settings.WAYPOST_MAX_EVENT_BYTES + b'"'
    conflict = orjson.dumps(CLOUDEVENT | {"data": "something else"})
    messages: list[tuple[Source, str, bytes, dict[str, Any]]] = [
        (plain, "m-1", b'{"n": 1}', {}),
        (plain, "m-2", b"\x00\xff", {"content_type": "application/octet-stream"}),
        (plain, "m-3", too_large, {}),
        (plain, "m-4", orjson.dumps(CLOUDEVENT), {"content_type": STRUCTURED}),
        (plain, "m-5", conflict, {"content_type": STRUCTURED}),
        (plain, "m-6", orjson.dumps([CLOUDEVENT | {"id": "o-2"}, CLOUDEVENT | {"id": "o-3"}]), {"content_type": BATCH}),
        (
            plain,
            "m-7",
            b"[" + orjson.dumps(CLOUDEVENT | {"id": "o-4"}) + b"," + conflict + b"]",
            {"content_type": BATCH},
        ),
        (plain, "m-8", orjson.dumps(CLOUDEVENT), {"content_type": STRUCTURED}),
        (plain, "m-9", orjson.dumps(CLOUDEVENT | {"hopcount": 8, "id": "o-5"}), {"content_type": STRUCTURED}),
        (orders, "m-10", b'{"n": 10}', {"event_type": "order.paid"}),
        (orders, "m-11", b'{"n": 11}', {"event_type": "invoice.paid"}),
        (owned_by_none, "m-12", b"{}", {}),
        (owned_by_none, "m-13", b"{}", {}),
        (in_sequence, "m-14", b'{"n": 14}', {}),
        (in_sequence, "m-15", b'{"n": 15}', {}),
        (other, "m-16", b'{"n": 16}', {}),
        (other, "m-17", b'{"n": 17}', {}),
    ]
    for source, message_id, body, changes in messages:
        make_receipt(source, body=body, message_id=message_id, **changes)


def ends() -> dict[str, tuple[Any, ...]]:
    """Return how each receipt ended, by its message id."""
    return {
        it.message_id: (it.state, it.cause, it.attempts, it.handled_by, it.last_error[:200])
        for it in Receipt.objects.all()
    }


def test_receipts_end_together_as_they_end_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    receive_all(make_subscription().tenant)
    process_due()
    together, events = ends(), sorted(Event.objects.values_list("event_id", flat=True))
    deliveries = Delivery.objects.count()
    assert together["m-1"][:4] == ("processed", "", 1, ["publish"])
    assert together["m-11"][:4] == ("processed", "", 1, [])
    pending = {name for name, end in together.items() if end[0] == "pending"}
    assert pending == {"m-3", "m-5", "m-7", "m-9", "m-12", "m-13"}
    for rows in (Receipt, Delivery, Event, Source):
        rows.objects.all().delete()
    monkeypatch.setattr(handler_batches, "MIN_RECEIPTS", 1000)
    receive_all(make_subscription().tenant)
    process_due()
    alone = ends()
    assert {name: (end, together[name]) for name, end in alone.items() if end != together[name]} == {}
    assert sorted(Event.objects.values_list("event_id", flat=True)) == events
    assert Delivery.objects.count() == deliveries


def test_receipts_are_published_in_their_order() -> None:
    source = source_of(make_subscription().tenant, "plain")
    for number in range(20):
        make_receipt(source, body=b'{"n": %d}' % number, message_id=f"m-{number:02}")
    process_due()
    assert list(Event.objects.order_by("id").values_list("event_id", flat=True)) == [f"m-{n:02}" for n in range(20)]


def test_call_that_fails_as_a_whole_leaves_each_receipt_to_run_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(make_subscription().tenant, "plain")
    for number in range(3):
        make_receipt(source, message_id=f"m-{number}")
    calls: list[int] = []

    def fail(tenant: Tenant, events: list[Any], **_options: Any) -> None:
        calls.append(len(events))
        raise DatabaseError("deadlock")

    monkeypatch.setattr(publish_receipt, "publish_each", fail)
    process_due()
    assert calls == [3]
    assert Receipt.objects.filter(processed_at__isnull=False, attempts=1).count() == Event.objects.count() == 3


def test_source_with_a_handler_in_code_runs_both_for_each_receipt() -> None:
    source = source_of(make_subscription().tenant, "plain")
    seen: list[str] = []

    @handles(source.public_id)
    def note(receipt: Receipt) -> None:
        seen.append(receipt.message_id)

    for number in range(3):
        make_receipt(source, message_id=f"m-{number}")
    process_due()
    assert (sorted(seen), Event.objects.count()) == (["m-0", "m-1", "m-2"], 3)
    assert len(Receipt.objects.first().handled_by) == 2  # type: ignore[union-attr]
