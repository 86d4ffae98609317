"""Events are taken once, and what they owe is written with them or not at all."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction

from delivery import notify
from delivery.models import DeadLetter, Delivery, Event, Lane
from delivery.publishing.publisher import publish
from delivery.publishing.results import ContentConflict, Published
from delivery.sql.publish import insert_events
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.models import Subscription, Tenant
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.threads import in_threads
from webhooks.wire.cloudevents import event as wire
from webhooks.wire.errors import InvalidEvent

TRANSFORMER = {"input_paths": {"total": "$.data.total"}, "template": '{"total": <total>}'}
UNRENDERABLE = {**TRANSFORMER, "template": "{<total>: 1}"}  # a number cannot be a name


def plain(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {"id": f"o-{number}", "source": "/orders", "type": "order.created", "data": {"n": number}, **changes}


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[set[Any]]:
    """Stands where the bell hangs."""
    heard: list[set[Any]] = []
    monkeypatch.setattr(notify, "notify_drains", heard.append)
    return heard


@pytest.mark.django_db
class TestOneEvent:
    def test_it_is_stored_as_it_will_be_sent(self) -> None:
        tenant = make_tenant()
        (result,) = publish(tenant, [plain(subject="7")])
        event = Event.objects.get(id=result.id)
        assert (event.tenant, event.source, event.event_id) == (tenant, "/orders", "o-1")
        assert (event.type, event.subject) == ("order.created", "7")
        stored = json.loads(bytes(event.body))
        assert stored.pop("time")
        assert stored == {"specversion": "1.0", **plain(subject="7")}

    def test_what_the_plain_form_leaves_out_is_filled_in(self) -> None:
        tenant = make_tenant()
        (result,) = publish(tenant, [{"type": "t", "data": 1}])
        stored = json.loads(bytes(Event.objects.get().body))
        assert stored["id"] == Event.objects.get().public_id == result.event_id
        assert stored["source"] == f"urn:waypost:{tenant.public_id}"
        assert stored["time"].endswith("Z")

    def test_null_is_data_and_nothing_is_none(self) -> None:
        publish(make_tenant(), [{"type": "t", "id": "null", "data": None}, {"type": "t", "id": "none"}])
        stored = {it.event_id: json.loads(bytes(it.body)) for it in Event.objects.all()}
        assert stored["null"]["data"] is None
        assert "data" not in stored["none"]

    def test_each_endpoint_that_wants_it_is_owed_it_once(self) -> None:
        tenant = make_tenant()
        wanted = [make_subscription(make_endpoint(tenant), event_types=[name]) for name in ("order.*", "*")]
        make_subscription(wanted[0].endpoint, event_types=["order.created"])
        make_subscription(make_endpoint(tenant), event_types=["invoice.*"])
        make_subscription()
        (result,) = publish(tenant, [plain()])
        owed = Delivery.objects.filter(event_id=result.id, state="pending")
        assert {it.endpoint_id for it in owed} == {it.endpoint_id for it in wanted}
        assert {it.tenant_id for it in owed} == {tenant.id}
        assert result.deliveries == 2

    def test_nobody_wants_it_and_it_is_stored_all_the_same(self, rings: list[set[Any]]) -> None:
        (result,) = publish(make_tenant(), [plain()])
        assert (result.deliveries, Event.objects.count(), Delivery.objects.count()) == (0, 1, 0)

    def test_a_pattern_decides_by_what_is_in_it(self) -> None:
        endpoint = make_endpoint()
        make_subscription(endpoint, pattern={"data": {"n": [2]}})
        results = publish(endpoint.tenant, [plain(1), plain(2)])
        assert [it.deliveries for it in results] == [0, 1]

    def test_a_deleted_endpoint_is_owed_nothing(self) -> None:
        endpoint = make_subscription().endpoint
        delete_endpoint(endpoint)
        assert publish(endpoint.tenant, [plain()])[0].deliveries == 0

    def test_an_event_in_any_form_is_taken(self) -> None:
        event = wire.Event.with_bytes(
            {"specversion": "1.0", "id": "b", "source": "/s", "type": "t", "datacontenttype": "image/png"}, b"\x89PNG"
        )
        publish(make_tenant(), [event])
        assert json.loads(bytes(Event.objects.get().body))["data_base64"] == "iVBORw=="


@pytest.mark.django_db
class TestRepeats:
    def test_a_repeat_answers_the_first_and_owes_nothing(self) -> None:
        tenant = make_subscription().tenant
        (first,) = publish(tenant, [plain()])
        (second,) = publish(tenant, [plain()])
        assert (second.id, second.duplicate, second.error, second.deliveries) == (first.id, True, None, 0)
        assert Delivery.objects.count() == 1

    def test_the_order_of_attributes_does_not_matter(self) -> None:
        tenant = make_tenant()
        publish(tenant, [plain()])
        assert publish(tenant, [dict(reversed(plain().items()))])[0].duplicate

    @pytest.mark.parametrize("changes", [{"data": {"n": 2}}, {"type": "order.paid"}, {"subject": "7"}, {"data": None}])
    def test_other_content_under_the_same_name_is_a_conflict(self, changes: dict[str, Any]) -> None:
        tenant = make_subscription().tenant
        (first,) = publish(tenant, [plain()])
        (second,) = publish(tenant, [{**plain(), **changes}])
        assert isinstance(second.error, ContentConflict)
        assert (second.id, second.duplicate) == (first.id, False)
        assert (Event.objects.count(), Delivery.objects.count()) == (1, 1)

    def test_another_source_or_tenant_is_another_event(self) -> None:
        tenant = make_tenant()
        results = [*publish(tenant, [plain(), plain(source="/other")]), *publish(make_tenant(), [plain()])]
        assert len({it.id for it in results}) == 3

    def test_a_repeat_reaches_nobody_who_came_after_the_first(self) -> None:
        tenant = make_tenant()
        publish(tenant, [plain()])
        make_subscription(make_endpoint(tenant))
        assert publish(tenant, [plain()])[0].deliveries == 0
        assert not Delivery.objects.exists()


@pytest.mark.django_db
class TestBatches:
    def test_there_is_a_result_for_each_in_order(self) -> None:
        results = publish(make_tenant(), [plain(number) for number in range(300)])
        assert [it.event_id for it in results] == [f"o-{number}" for number in range(300)]
        assert [Event.objects.get(id=it.id).event_id for it in results[:3]] == ["o-0", "o-1", "o-2"]

    def test_an_empty_batch_is_nothing(self) -> None:
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
    def test_a_bad_one_says_why_and_keeps_nobody_out(self, bad: Any) -> None:
        first, refused, last = publish(make_tenant(), [plain(1), bad, plain(2)])
        assert (first.error, last.error) == (None, None)
        assert isinstance(refused.error, InvalidEvent)
        assert refused.id is None
        assert set(Event.objects.values_list("event_id", flat=True)) == {"o-1", "o-2"}

    def test_of_two_alike_in_a_batch_the_second_is_a_repeat(self) -> None:
        tenant = make_subscription().tenant
        first, second = publish(tenant, [plain(), plain()])
        assert (first.duplicate, second.duplicate, first.id) == (False, True, second.id)
        assert Delivery.objects.count() == 1

    def test_of_two_in_a_batch_under_one_name_the_second_is_a_conflict(self) -> None:
        first, second = publish(make_tenant(), [plain(), plain(data=2)])
        assert first.error is None
        assert isinstance(second.error, ContentConflict)
        assert second.id == first.id
        assert json.loads(bytes(Event.objects.get().body))["data"] == {"n": 1}


@pytest.mark.django_db
class TestTransformers:
    def test_the_bytes_are_rendered_when_it_is_published(self) -> None:
        endpoint = make_subscription(transformer=TRANSFORMER).endpoint
        publish(endpoint.tenant, [plain(data={"total": 5})])
        Subscription.objects.update(transformer={"input_paths": {}, "template": '"changed"'})
        assert json.loads(bytes(Delivery.objects.get().body or b"")) == {"total": 5}

    def test_what_cannot_be_rendered_is_a_dead_letter_at_once(self, rings: list[set[Any]]) -> None:
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

    def test_a_repeat_dies_no_second_death(self) -> None:
        tenant = make_subscription(transformer=UNRENDERABLE).tenant
        publish(tenant, [plain(data={"total": 5})])
        publish(tenant, [plain(data={"total": 5})] * 2)
        assert DeadLetter.objects.count() == 1


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_a_rollback_of_the_caller_leaves_nothing_and_rings_nobody(self, rings: list[set[Any]]) -> None:
        tenant = make_subscription().tenant
        with transaction.atomic():
            publish(tenant, [plain()])
            transaction.set_rollback(True)
        assert not Event.objects.exists()
        assert not Delivery.objects.exists()
        assert not rings
        assert not publish(tenant, [plain()])[0].duplicate

    def test_it_rings_once_and_only_after_the_commit_of_the_caller(self, rings: list[set[Any]]) -> None:
        endpoint = make_subscription().endpoint
        with transaction.atomic():
            publish(endpoint.tenant, [plain(1), plain(2)])
            assert not rings
        assert rings == [{endpoint.id}]

    def test_nothing_owed_rings_nobody(self, rings: list[set[Any]]) -> None:
        tenant = make_tenant()
        publish(tenant, [plain()])
        make_subscription(make_endpoint(tenant))
        publish(tenant, [plain()])
        assert not rings

    def test_after_the_commit_the_lane_is_due(self) -> None:
        endpoint = make_subscription().endpoint
        publish(endpoint.tenant, [plain()])
        assert Lane.objects.get(endpoint=endpoint).due_at is not None

    def test_a_subscription_made_elsewhere_just_before_is_honoured(self) -> None:
        tenant = make_tenant()
        publish(tenant, [plain(1)])  # from here on this process has a picture
        in_threads(lambda: make_subscription(make_endpoint(tenant)))
        assert publish(tenant, [plain(2)])[0].deliveries == 1

    def test_a_subscription_made_while_it_is_being_published_is_honoured(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tenant = make_tenant()
        take = insert_events
        subscribers: Iterator[Callable[[], Any]] = iter(
            [lambda: make_subscription(make_endpoint(tenant)), lambda: make_subscription(make_endpoint(tenant))]
        )

        def overtaken(*args: Any) -> Any:
            for subscriber in subscribers:
                in_threads(subscriber)
                break
            return take(*args)

        monkeypatch.setattr("delivery.publishing.store.insert_events", overtaken)
        assert publish(tenant, [plain()])[0].deliveries == 2

    def test_two_batches_that_share_events_in_opposite_order_both_come_through(self) -> None:
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
            ids = [{it.event_id: it.id for it in result} for result in results]
            assert ids[0] == ids[1]
        assert Event.objects.count() == Delivery.objects.count() == 1000

    def test_a_publisher_that_was_slow_to_commit_gives_its_rows_a_new_due_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tenant = make_subscription().tenant
        monkeypatch.setattr("delivery.publishing.publisher.LOW_WATER_MARGIN", 0.0)
        with transaction.atomic():
            publish(tenant, [plain()])
            due_at = Delivery.objects.get().next_attempt_at
        assert due_at is not None
        assert (Delivery.objects.get().next_attempt_at or due_at) > due_at

    def test_the_database_failing_after_the_commit_is_not_the_publishers_trouble(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tenant = make_subscription().tenant
        monkeypatch.setattr("delivery.publishing.publisher.LOW_WATER_MARGIN", 0.0)
        monkeypatch.setattr("delivery.sql.publish.RESET_DUE_TIMES", "SELECT 1 / 0, %(ids)s")
        (result,) = publish(tenant, [plain()])
        assert result.deliveries == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_who_publish_the_same_event_at_once_one_is_first() -> None:
    tenant = make_subscription().tenant
    results = in_threads(*(lambda: publish(tenant, [plain()])[0] for _ in range(8)))
    assert sorted(it.duplicate for it in results) == [False] + [True] * 7
    assert len({it.id for it in results}) == 1
    assert Tenant.objects.count() == Event.objects.count() == Delivery.objects.count() == 1
