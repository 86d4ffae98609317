"""Replays from the archive: events come back under their ids with their bytes, once, for the subscriptions of today."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from delivery.archiving import archive
from delivery.archiving.storage import compress
from delivery.lifecycle.erase import erase
from delivery.lifecycle.retention import apply_retention
from delivery.models import Archive, DeadLetter, Delivery, Event, Replay
from delivery.replaying import archived
from delivery.replaying.preview import describe
from delivery.replaying.replays import ReplayFilter, cancel, preview, run_slices, start
from subscriptions.models import Endpoint, Subscription, Tenant
from tests.delivery.archiving.factories import (
    DAYS,
    archive_all,
    at,
    old_delivery,
    old_event,
    replay_archive,
)
from tests.delivery.jobs import replay_to_end
from tests.factories import make_endpoint, make_subscription, make_tenant

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("archive_folder")]


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant(retention_days=DAYS)


@pytest.fixture
def subscription(tenant: Tenant) -> Subscription:
    return make_subscription(make_endpoint(tenant))


def test_archived_event_is_sent_again_under_its_id_with_its_bytes(tenant: Tenant, subscription: Subscription) -> None:
    event = old_delivery(
        subscription.endpoint,
        subject="4711",
        body=b'{"specversion":"1.0","id":"1","source":"/orders","type":"order.created","data":{\n"total": 1.50}}',
    ).event
    archive_all()
    row = replay_archive(tenant)
    assert (row.state, row.total, row.replayed, row.error) == ("finished", 1, 1, "")
    found = Event.objects.get()
    assert (found.id, bytes(found.body), bytes(found.digest)) == (event.id, event.body, event.digest)
    assert (found.created_at, found.subject, found.event_id) == (event.created_at, "4711", event.event_id)
    delivery = Delivery.objects.get()
    assert (delivery.endpoint_id, delivery.state, delivery.replay) == (subscription.endpoint_id, "pending", row)


def test_restored_event_is_kept_until_its_delivery_is_past_the_retention(
    tenant: Tenant, subscription: Subscription
) -> None:
    old_delivery(subscription.endpoint)
    archive_all()
    replay_archive(tenant)
    Delivery.objects.update(state="delivered", next_attempt_at=None)
    assert apply_retention().events == 0
    Delivery.objects.update(started_at=at(0))
    assert apply_retention().events == 1
    assert Archive.objects.count() == 2
    assert replay_archive(tenant).replayed == 1  # of the two objects that have it
    assert Delivery.objects.count() == 1


def test_event_that_no_endpoint_wants_is_not_restored(tenant: Tenant) -> None:
    make_subscription(make_endpoint(tenant), event_types=["invoice.*"])
    old_event(tenant)
    archive_all()
    assert preview(tenant, ReplayFilter(scope="archived")).total == 0
    assert replay_archive(tenant).replayed == 0
    assert not Event.objects.exists()


def test_second_replay_sends_what_has_ended_again(tenant: Tenant, subscription: Subscription) -> None:
    old_delivery(subscription.endpoint)
    archive_all()
    replay_archive(tenant)
    assert replay_archive(tenant).replayed == 0  # it is pending
    Delivery.objects.update(state="delivered", next_attempt_at=None, started_at=at(0))
    assert replay_archive(tenant).replayed == 1
    assert (Event.objects.count(), Delivery.objects.count()) == (1, 1)


def test_event_that_was_erased_after_a_replay_is_not_sent_again(tenant: Tenant, subscription: Subscription) -> None:
    old_delivery(subscription.endpoint)
    archive_all()
    replay_archive(tenant)
    erase(Event.objects.get(), "ops")
    Delivery.objects.update(started_at=at(0))
    assert replay_archive(tenant).replayed == 0
    assert b"total" not in bytes(Event.objects.get().body)


def test_event_erased_before_it_was_archived_is_not_sent(tenant: Tenant, subscription: Subscription) -> None:
    erase(old_delivery(subscription.endpoint).event, "ops")
    archive_all()
    assert replay_archive(tenant).replayed == 0


def test_event_that_was_published_anew_is_not_overwritten(tenant: Tenant, subscription: Subscription) -> None:
    old_delivery(subscription.endpoint, event_id="1")
    archive_all()
    anew = old_event(tenant, event_id="1", data={"total": 6})
    assert replay_archive(tenant).replayed == 0
    assert Event.objects.get() == anew


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        (lambda it: {}, 4),
        (lambda it: {"type": "order.paid"}, 1),
        (lambda it: {"type": "order.*"}, 4),
        (lambda it: {"type": "invoice.*"}, 0),
        (lambda it: {"subject": "a"}, 1),
        (lambda it: {"source": "/shop"}, 1),
        (lambda it: {"since": at(5)}, 3),
        (lambda it: {"since": at(5), "until": at(5, hour=1)}, 2),
        (lambda it: {"until": at(30, hour=-1)}, 0),
        (lambda it: {"ids": (it.id,)}, 1),
    ],
)
def test_filter_selects_archived_events(
    tenant: Tenant, subscription: Subscription, conditions: Callable[[Event], dict[str, Any]], found: int
) -> None:
    first = old_delivery(subscription.endpoint, 1).event
    old_delivery(subscription.endpoint, 5, type="order.paid")
    old_delivery(subscription.endpoint, 6, subject="a", source="/shop")
    old_delivery(subscription.endpoint, 5, hour=1)
    archive_all()
    given = conditions(first)
    assert preview(tenant, ReplayFilter(**given, scope="archived")) == (found, False, False)
    assert replay_archive(tenant, **given).replayed == found


def test_only_the_events_of_the_tenant_are_sent(tenant: Tenant, subscription: Subscription) -> None:
    other = make_subscription(make_endpoint(make_tenant(retention_days=DAYS)))
    for it in (subscription, other):
        old_delivery(it.endpoint)
    archive_all()
    assert replay_archive(tenant).replayed == 1
    assert Event.objects.get().tenant == tenant


def test_force_sends_to_an_endpoint_without_a_subscription(tenant: Tenant) -> None:
    endpoint = make_endpoint(tenant)
    old_delivery(endpoint)
    archive_all()
    assert replay_archive(tenant, endpoint=endpoint.id).replayed == 0
    assert replay_archive(tenant, endpoint=endpoint.id, force=True).replayed == 1


@pytest.mark.parametrize("rate", [3, 10_000])
@pytest.mark.parametrize("page", [2, 100])
def test_replay_in_slices_over_several_objects_sends_each_once(
    tenant: Tenant, subscription: Subscription, monkeypatch: pytest.MonkeyPatch, rate: int, page: int
) -> None:
    monkeypatch.setattr(archive, "MAX_EVENTS", 3)
    monkeypatch.setattr(archived, "PAGE", page)
    make_subscription(make_endpoint(tenant))
    for hour in range(2):
        for minute in range(5):
            old_event(tenant, minute, hour=hour)
    archive_all()
    assert Archive.objects.count() == 4
    given = ReplayFilter(scope="archived")
    assert preview(tenant, given) == (20, False, False)
    row = replay_to_end(start(tenant, given, rate=rate, by="ops"))
    assert (row.state, row.replayed, Delivery.objects.filter(replay=row).count()) == ("finished", 20, 20)
    assert Event.objects.count() == 10


def test_preview_of_many_objects_is_extrapolated(
    tenant: Tenant, subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archived, "MAX_READ", 2)
    for hour in range(6):
        old_event(tenant, hour=hour)
        old_event(tenant, 6, hour=hour, type="order.paid")
    archive_all()
    assert preview(tenant, ReplayFilter(scope="archived")) == (12, True, False)
    assert preview(tenant, ReplayFilter(scope="archived", type="order.paid")) == (6, True, False)
    assert describe(tenant, ReplayFilter(scope="archived"))[:2] == (at(), at(hour=5))


def changed(path: Path) -> None:
    path.write_bytes(compress(b"{}\n"))


def missing(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(("change", "reason"), [(changed, "has changed since it was written"), (missing, "is missing")])
def test_changed_object_ends_the_replay_with_the_reason(
    archive_folder: Path, tenant: Tenant, subscription: Subscription, change: Callable[[Path], None], reason: str
) -> None:
    old_event(tenant)
    old_event(tenant, hour=1)
    archive_all()
    row = start(tenant, ReplayFilter(scope="archived"), by="ops")
    key = Archive.objects.order_by("id").last().key  # type: ignore[union-attr]
    change(archive_folder / key)
    row = replay_to_end(row)
    assert (row.state, row.replayed) == ("cancelled", 1)
    assert row.error.startswith(f"{key} {reason}")
    with pytest.raises(ValueError, match=reason):
        preview(tenant, ReplayFilter(scope="archived"))


def test_replay_waits_while_the_storage_is_away(settings: Any, tenant: Tenant, subscription: Subscription) -> None:
    old_event(tenant)
    archive_all()
    row = start(tenant, ReplayFilter(scope="archived"), by="ops")
    there = settings.STORAGES
    settings.STORAGES = {name: it for name, it in there.items() if name != "archive"}
    run_slices()
    row.refresh_from_db()
    assert (row.state, row.replayed) == ("running", 0)
    settings.STORAGES = there
    assert replay_to_end(row).replayed == 1


def test_cancelled_replay_sends_nothing_more(tenant: Tenant, subscription: Subscription) -> None:
    for minute in range(50):
        old_event(tenant, minute)
    archive_all()
    row = start(tenant, ReplayFilter(scope="archived"), rate=1, by="ops")
    run_slices()
    sent = Delivery.objects.count()
    assert 0 < sent < 50
    assert cancel(row)
    row = replay_to_end(row)
    assert (row.state, row.replayed, Delivery.objects.count()) == ("cancelled", sent, sent)


def test_replay_without_an_archive_is_refused(settings: Any, tenant: Tenant) -> None:
    settings.STORAGES = {name: it for name, it in settings.STORAGES.items() if name != "archive"}
    with pytest.raises(ValueError, match="none is set up"):
        start(tenant, ReplayFilter(scope="archived"), by="ops")
    assert not Replay.objects.exists()


def test_transformation_that_fails_is_a_dead_letter(tenant: Tenant, subscription: Subscription) -> None:
    old_event(tenant)
    archive_all()
    Subscription.objects.all().delete()
    make_subscription(
        make_endpoint(tenant), transformer={"input_paths": {"n": "$.data.absent"}, "template": '{"sum": <n>}'}
    )
    replay_archive(tenant)
    assert {*Delivery.objects.values_list("state", flat=True)} <= {"dead", "pending"}
    assert DeadLetter.objects.count() == Delivery.objects.filter(state="dead").count()
    assert orjson.loads(Event.objects.get().body)["data"] == {"total": 5}


def test_endpoint_of_another_tenant_is_refused(tenant: Tenant) -> None:
    foreign: Endpoint = make_endpoint(make_tenant())
    with pytest.raises(ValueError, match="is not an endpoint of the tenant"):
        start(tenant, ReplayFilter(scope="archived", endpoint=foreign.id), by="ops")
