"""Publishing stores each event once, with its deliveries in the same transaction."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from delivery import notify
from delivery.models import DeadLetter, Delivery, Event, Lane
from delivery.publishing.publisher import publish, publish_each
from delivery.publishing.results import ContentConflict, Published, PublishError
from delivery.sql.publish import insert_events
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.errors import StateConflict
from subscriptions.models import Subscription, Tenant
from subscriptions.tenants.tenants import delete_tenant
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.threads import in_threads
from webhooks.wire.cloudevents import event as wire
from webhooks.wire.errors import InvalidEvent

TRANSFORMER = {"input_paths": {"total": "$.data.total"}, "template": '{"total": <total>}'}
UNRENDERABLE = {**TRANSFORMER, "template": "{<total>: 1}"}  # a number cannot be a name


def plain(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {"id": f"o-{number}", "source": "/orders", "type": "order.created", "data": {"n": number}, **changes}


@pytest.fixture
def notified(monkeypatch: pytest.MonkeyPatch) -> list[set[Any]]:
    """Record the endpoints of each notification."""
    recorded: list[set[Any]] = []
    monkeypatch.setattr(notify, "notify_drains", recorded.append)
    return recorded


@pytest.mark.django_db
class TestOneEvent:
    def test_event_is_stored_as_it_is_sent(self) -> None:
        tenant = make_tenant()
        (result,) = publish(tenant, [plain(subject="7")])
        event = Event.objects.get(id=result.key)
        assert (event.tenant, event.source, event.event_id) == (tenant, "/orders", "o-1")
        assert (event.type, event.subject) == ("order.created", "7")
        stored = json.loads(bytes(event.body))
        assert stored.pop("time")
        assert stored == {"specversion": "1.0", **plain(subject="7")}

    def test_plain_form_is_completed(self) -> None:
        tenant = make_tenant()
        (result,) = publish(tenant, [{"type": "t", "data": 1}])
        stored = json.loads(bytes(Event.objects.get().body))
        assert stored["id"] == Event.objects.get().public_id == result.event_id
        assert stored["source"] == f"urn:waypost:{tenant.public_id}"
        assert stored["time"].endswith("Z")

    def test_data_null_differs_from_no_data(self) -> None:
        publish(make_tenant(), [{"type": "t", "id": "null", "data": None}, {"type": "t", "id": "none"}])
        stored = {it.event_id: json.loads(bytes(it.body)) for it in Event.objects.all()}
        assert stored["null"]["data"] is None
        assert "data" not in stored["none"]

    def test_each_matching_endpoint_gets_one_delivery(self) -> None:
        tenant = make_tenant()
        matching = [make_subscription(make_endpoint(tenant), event_types=[name]) for name in ("order.*", "*")]
        make_subscription(matching[0].endpoint, event_types=["order.created"])
        make_subscription(make_endpoint(tenant), event_types=["invoice.*"])
        make_subscription()
        (result,) = publish(tenant, [plain()])
        deliveries = Delivery.objects.filter(event_id=result.key, state="pending")
        assert {it.endpoint_id for it in deliveries} == {it.endpoint_id for it in matching}
        assert {it.tenant_id for it in deliveries} == {tenant.id}
        assert result.deliveries == 2

    def test_event_without_matching_endpoint_is_stored(self, notified: list[set[Any]]) -> None:
        (result,) = publish(make_tenant(), [plain()])
        assert (result.deliveries, Event.objects.count(), Delivery.objects.count()) == (0, 1, 0)

    def test_pattern_selects_by_content(self) -> None:
        endpoint = make_endpoint()
        make_subscription(endpoint, pattern={"data": {"n": [2]}})
        results = publish(endpoint.tenant, [plain(1), plain(2)])
        assert [it.deliveries for it in results] == [0, 1]

    def test_deleted_endpoint_gets_no_delivery(self) -> None:
        endpoint = make_subscription().endpoint
        delete_endpoint(endpoint)
        assert publish(endpoint.tenant, [plain()])[0].deliveries == 0

    def test_event_in_any_form_is_accepted(self) -> None:
        event = wire.Event.with_bytes(
            {"specversion": "1.0", "id": "b", "source": "/s", "type": "t", "datacontenttype": "image/png"}, b"\x89PNG"
        )
        publish(make_tenant(), [event])
        assert json.loads(bytes(Event.objects.get().body))["data_base64"] == "iVBORw=="


@pytest.mark.django_db
class TestRepeats:
    def test_repeat_returns_the_first_event_and_creates_no_delivery(self) -> None:
        tenant = make_subscription().tenant
        (first,) = publish_each(tenant, [plain()])
        (second,) = publish_each(tenant, [plain()])
        assert (second.id, second.duplicate, second.error, second.deliveries) == (first.id, True, None, 1)
        assert Delivery.objects.count() == 1

    def test_repeat_with_attributes_in_another_order_is_a_duplicate(self) -> None:
        tenant = make_tenant()
        publish(tenant, [plain()])
        assert publish(tenant, [dict(reversed(plain().items()))])[0].duplicate

    def test_data_with_its_members_in_another_order_is_other_content(self) -> None:
        tenant = make_tenant()
        publish(tenant, [{**plain(), "data": {"a": 1, "b": 2}}])
        (second,) = publish_each(tenant, [{**plain(), "data": {"b": 2, "a": 1}}])
        assert isinstance(second.error, ContentConflict)

    @pytest.mark.parametrize("changes", [{"data": {"n": 2}}, {"type": "order.paid"}, {"subject": "7"}, {"data": None}])
    def test_other_content_under_the_same_name_is_a_conflict(self, changes: dict[str, Any]) -> None:
        tenant = make_subscription().tenant
        (first,) = publish_each(tenant, [plain()])
        (second,) = publish_each(tenant, [{**plain(), **changes}])
        assert isinstance(second.error, ContentConflict)
        assert (second.id, second.duplicate) == (first.id, False)
        assert (Event.objects.count(), Delivery.objects.count()) == (1, 1)

    def test_same_id_of_another_source_or_tenant_is_another_event(self) -> None:
        tenant = make_tenant()
        results = [*publish(tenant, [plain(), plain(source="/other")]), *publish(make_tenant(), [plain()])]
        assert len({it.key for it in results}) == 3

    def test_repeat_is_not_delivered_to_later_endpoints(self) -> None:
        tenant = make_tenant()
        publish(tenant, [plain()])
        make_subscription(make_endpoint(tenant))
        assert publish(tenant, [plain()])[0].deliveries == 0
        assert not Delivery.objects.exists()


@pytest.mark.django_db
class TestBatches:
    def test_batch_returns_a_result_for_each_event_in_order(self) -> None:
        results = publish(make_tenant(), [plain(number) for number in range(300)])
        assert [it.event_id for it in results] == [f"o-{number}" for number in range(300)]
        assert [Event.objects.get(id=it.key).event_id for it in results[:3]] == ["o-0", "o-1", "o-2"]

    def test_empty_batch_returns_nothing(self) -> None:
        assert publish(make_tenant(), []) == []

    @pytest.mark.parametrize(
        "bad",
        [
            InvalidEvent("type", "is missing"),
            {"data": 1},
            plain(type=""),
            plain(id=""),
            plain(id="\0"),
            plain(type="a\0b"),
            plain(subject="\ud800"),
            plain(source="not a uri"),
            plain(time="yesterday"),
            plain(Upper="case"),
            plain(extension=1.5),
            plain(data={"n": object()}),
            plain(id="x" * 513),
            plain(type="x" * 257),
            plain(source="/" + "x" * 1024),
            plain(subject="é" * 513),
            plain(data="x" * 1024 * 1024),
            {1: 2},
        ],
        ids=lambda it: str(it)[:40],
    )
    def test_invalid_event_of_a_batch_fails_alone_with_the_reason(self, bad: Any) -> None:
        first, refused, last = publish_each(make_tenant(), [plain(1), bad, plain(2)])
        assert (first.error, last.error) == (None, None)
        assert isinstance(refused.error, InvalidEvent)
        assert refused.id is None
        assert set(Event.objects.values_list("event_id", flat=True)) == {"o-1", "o-2"}

    def test_repeat_within_a_batch_is_a_duplicate(self) -> None:
        tenant = make_subscription().tenant
        first, second = publish(tenant, [plain(), plain()])
        assert (first.duplicate, second.duplicate, first.id) == (False, True, second.id)
        assert Delivery.objects.count() == 1

    def test_other_content_within_a_batch_is_a_conflict(self) -> None:
        first, second = publish_each(make_tenant(), [plain(), plain(data=2)])
        assert first.error is None
        assert isinstance(second.error, ContentConflict)
        assert second.key == first.key
        assert json.loads(bytes(Event.objects.get().body))["data"] == {"n": 1}


@pytest.mark.django_db
class TestTransformers:
    def test_transformer_renders_the_body_when_publishing(self) -> None:
        endpoint = make_subscription(transformer=TRANSFORMER).endpoint
        publish(endpoint.tenant, [plain(data={"total": 5})])
        Subscription.objects.update(transformer={"input_paths": {}, "template": '"changed"'})
        assert json.loads(bytes(Delivery.objects.get().body or b"")) == {"total": 5}

    def test_failing_transformation_is_dead_lettered_at_once(self, notified: list[set[Any]]) -> None:
        endpoint = make_subscription(transformer=UNRENDERABLE).endpoint
        other = make_subscription(make_endpoint(endpoint.tenant)).endpoint
        (result,) = publish(endpoint.tenant, [plain(data={"total": 5})])
        letter = DeadLetter.objects.get()
        assert (letter.cause, letter.endpoint_id, letter.tenant_id) == (
            "transformation_failed",
            endpoint.id,
            endpoint.tenant_id,
        )
        assert letter.reason
        assert (letter.delivery.state, letter.delivery.next_attempt_at) == ("dead", None)
        assert Delivery.objects.get(endpoint=other).state == "pending"
        assert result.deliveries == 2

    def test_repeat_of_a_failing_transformation_adds_no_dead_letter(self) -> None:
        tenant = make_subscription(transformer=UNRENDERABLE).tenant
        publish(tenant, [plain(data={"total": 5})])
        publish(tenant, [plain(data={"total": 5})] * 2)
        assert DeadLetter.objects.count() == 1


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_rollback_of_the_caller_stores_nothing_and_notifies_no_drain(self, notified: list[set[Any]]) -> None:
        tenant = make_subscription().tenant
        with transaction.atomic():
            publish(tenant, [plain()])
            transaction.set_rollback(True)
        assert not Event.objects.exists()
        assert not Delivery.objects.exists()
        assert not notified
        assert not publish(tenant, [plain()])[0].duplicate

    def test_publish_notifies_once_after_the_callers_commit(self, notified: list[set[Any]]) -> None:
        endpoint = make_subscription().endpoint
        with transaction.atomic():
            publish(endpoint.tenant, [plain(1), plain(2)])
            assert not notified
        assert notified == [{endpoint.id}]

    def test_publish_without_deliveries_notifies_no_drain(self, notified: list[set[Any]]) -> None:
        tenant = make_tenant()
        publish(tenant, [plain()])
        make_subscription(make_endpoint(tenant))
        publish(tenant, [plain()])
        assert not notified

    def test_lane_is_due_after_the_commit(self) -> None:
        endpoint = make_subscription().endpoint
        publish(endpoint.tenant, [plain()])
        assert Lane.objects.get(endpoint=endpoint).due_at is not None

    def test_subscription_created_elsewhere_just_before_is_matched(self) -> None:
        tenant = make_tenant()
        publish(tenant, [plain(1)])  # from here on this process has a snapshot
        in_threads(lambda: make_subscription(make_endpoint(tenant)))
        assert publish(tenant, [plain(2)])[0].deliveries == 1

    def test_subscription_created_during_publishing_is_matched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tenant = make_tenant()
        take = insert_events
        subscribers: Iterator[Callable[[], Any]] = iter(
            [lambda: make_subscription(make_endpoint(tenant)), lambda: make_subscription(make_endpoint(tenant))]
        )

        def overtaken(*args: Any, **options: Any) -> Any:
            for subscriber in subscribers:
                in_threads(subscriber)
                break
            return take(*args, **options)

        monkeypatch.setattr("delivery.publishing.store.insert_events", overtaken)
        assert publish(tenant, [plain()])[0].deliveries == 2

    def test_batches_with_shared_events_in_opposite_order_do_not_deadlock(self) -> None:
        tenant = make_subscription().tenant
        together = threading.Barrier(2)

        def batch(numbers: list[int]) -> list[Published]:
            with transaction.atomic():
                together.wait()
                return publish(tenant, [plain(number) for number in numbers])

        for begin in range(0, 1000, 200):
            numbers = list(range(begin, begin + 200))
            results = in_threads(lambda them=numbers: batch(them), lambda them=numbers[::-1]: batch(them))
            assert all(isinstance(it, list) for it in results), results
            ids = [{it.event_id: it.key for it in result} for result in results]
            assert ids[0] == ids[1]
        assert Event.objects.count() == Delivery.objects.count() == 1000

    @pytest.mark.parametrize("size", [2, 12, 300])
    def test_deliveries_of_a_batch_are_created_in_its_order(self, size: int) -> None:
        tenant = make_subscription().tenant
        results = publish(tenant, [plain(number) for number in range(size, 0, -1)])
        created = Delivery.objects.order_by("created_at", "id").values_list("event_id", flat=True)
        assert list(created) == [it.key for it in results]

    def test_slow_commit_gives_deliveries_a_new_due_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tenant = make_subscription().tenant
        monkeypatch.setattr("delivery.fan_out.announce.LOW_WATER_MARGIN", 0.0)
        with transaction.atomic():
            publish(tenant, [plain()])
            due_at = Delivery.objects.get().next_attempt_at
        assert due_at is not None
        assert (Delivery.objects.get().next_attempt_at or due_at) > due_at

    def test_database_failure_after_the_commit_does_not_fail_publish(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tenant = make_subscription().tenant
        monkeypatch.setattr("delivery.fan_out.announce.LOW_WATER_MARGIN", 0.0)
        monkeypatch.setattr("delivery.sql.deliveries.RESET_DUE_TIMES", "SELECT 1 / 0, %(ids)s")
        (result,) = publish(tenant, [plain()])
        assert result.deliveries == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_publish_of_one_event_stores_it_once() -> None:
    tenant = make_subscription().tenant
    results = in_threads(*(lambda: publish(tenant, [plain()])[0] for _ in range(8)))
    assert sorted(it.duplicate for it in results) == [False] + [True] * 7
    assert len({it.key for it in results}) == 1
    assert Tenant.objects.count() == Event.objects.count() == Delivery.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("is_cached", [True, False])
def test_publish_for_a_deleted_tenant_raises_and_stores_nothing(is_cached: bool) -> None:
    tenant = make_tenant()
    if is_cached:
        publish(tenant, [plain(1)])
    delete_tenant(tenant)  # the caller still has the row
    with pytest.raises(StateConflict):
        publish(tenant, [plain(2)])
    assert Event.objects.count() == int(is_cached)


@pytest.mark.django_db
def test_publish_raises_for_the_first_invalid_event_and_stores_none() -> None:
    with pytest.raises(PublishError) as failure:
        publish(make_tenant(), [plain(1), plain(2, data={"total": object()})])
    assert (failure.value.index, failure.value.member) == (1, "data.total")
    assert str(failure.value) == "event 1 of 2: data.total cannot be written as JSON: it is of type object"
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_published_id_is_the_public_id_and_event_id_that_of_the_cloudevent() -> None:
    (result,) = publish(make_tenant(), [plain(7)])
    event = Event.objects.get()
    assert (result.key, result.id, result.event_id) == (event.pk, event.public_id, "o-7")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("tenant", "events", "message"),
    [
        ("acme", [plain()], "tenant must be a Tenant, such as Tenant.objects.get(uid='acme'), not 'acme'."),
        (None, [plain()], "not a NoneType."),
        (Tenant(), plain(), "events must be a list; publish one event as [event]."),
        (Tenant(), "order.paid", "events must be a list of events, not a str."),
        (Tenant(), (it for it in [plain()]), "events must be a list of events, not a generator."),
    ],
)
def test_publish_refuses_arguments_of_another_type_with_a_sentence(tenant: Any, events: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"{re.escape(message)}$"):
        publish(tenant, events)


@pytest.mark.django_db
def test_publish_names_the_item_that_is_no_event() -> None:
    with pytest.raises(PublishError, match=r"event 1 of 2: the event must be a mapping .*, not str$"):
        publish(make_tenant(), [plain(), "order.paid"])  # type: ignore[list-item]


@pytest.mark.django_db
def test_publish_raises_for_an_event_that_was_published_with_other_content() -> None:
    tenant = make_tenant()
    publish(tenant, [plain(1)])
    with pytest.raises(PublishError, match=r"^id was published before") as failure:
        publish(tenant, [plain(1, data="other")])
    assert isinstance(failure.value.error, ContentConflict)


@pytest.mark.django_db
def test_publish_undoes_the_transaction_of_its_caller_if_an_event_is_invalid() -> None:
    tenant = make_tenant()

    def order() -> None:
        with transaction.atomic():
            make_subscription(make_endpoint(tenant))
            publish(tenant, [plain(data=float("nan"))])

    with pytest.raises(PublishError, match=r"^data "):
        order()
    assert not Subscription.objects.filter(tenant=tenant).exists()


@pytest.mark.django_db
def test_publish_writes_data_as_django_does_and_a_time_as_cloudevents_do() -> None:
    moment = datetime(2030, 1, 31, 12, 30, tzinfo=UTC)
    publish(make_tenant(), [plain(data={"total": Decimal("1.10"), "on": moment.date()}, time=moment)])
    body = json.loads(bytes(Event.objects.get().body))
    assert (body["data"], body["time"]) == ({"total": "1.10", "on": "2030-01-31"}, "2030-01-31T12:30:00.000000Z")
    with pytest.raises(PublishError, match="time is a datetime without a time zone"):
        publish(make_tenant(), [plain(time=datetime(2030, 1, 31))])
