"""Events that are published at the same moment share a transaction; each caller gets its own results."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from django.db import DataError, OperationalError

from delivery import notify
from delivery.models import Delivery, Event
from delivery.publishing import group_publish
from delivery.publishing.group_publish import MAX_GROUP, MAX_SHARED, group_commit, publish_in_group
from delivery.publishing.publisher import publish, publish_each
from delivery.publishing.results import ContentConflict, Published
from subscriptions.models import Tenant
from tests.factories import make_subscription, make_tenant
from tests.threads import NoThreads, in_threads
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_drain_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)


@pytest.fixture
def tenant() -> Tenant:
    return make_subscription().tenant


class BlockedPublish:
    """Record the groups that ``publish`` is called with, and hold the first until ``go_on`` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fails: Callable[[list[Any]], Exception | None]) -> None:
        self.groups: list[int] = []
        self.go_on = threading.Event()
        self._fails = fails
        monkeypatch.setattr(group_publish, "publish_within_plan", self)

    def __call__(self, tenant: Tenant, items: Sequence[Any], **more: Any) -> list[Published]:
        self.groups.append(len(items))
        if len(self.groups) == 1:
            self.go_on.wait()
        if error := self._fails(list(items)):
            raise error
        return publish_each(tenant, items, **more)


def named(name: str, **changes: Any) -> dict[str, Any]:
    return {"type": "order.created", "id": name, "source": "/orders", "data": 1, **changes}


def publish_during_a_write(
    monkeypatch: pytest.MonkeyPatch,
    callers: Sequence[tuple[Tenant, list[Any]]],
    *,
    fails: Callable[[list[Any]], Exception | None] = lambda items: None,
) -> tuple[list[int], list[Any]]:
    """Start all other callers while the first is written. Return the groups, and each caller's results or error."""
    writing = BlockedPublish(monkeypatch, fails=fails)
    outcomes: list[Any] = []

    def call(tenant: Tenant, items: list[Any]) -> Any:
        try:
            return publish_in_group(tenant, items)
        except Exception as error:
            return error

    def let_go() -> None:
        waiting = len([1 for tenant, _ in callers if tenant == callers[0][0]]) - 1
        wait_until(lambda: group_commit.waiting() >= waiting, "all to be queued")
        writing.go_on.set()

    def late(tenant: Tenant, items: list[Any]) -> Any:
        wait_until(lambda: bool(writing.groups), "the first to be written")
        return call(tenant, items)

    first, *others = callers
    jobs = [partial(call, *first), *(partial(late, *one) for one in others), let_go]
    outcomes = in_threads(*jobs)[:-1]
    assert group_commit.waiting() == 0
    return writing.groups, outcomes


def test_single_caller_publishes_at_once(tenant: Tenant) -> None:
    (result,) = publish_in_group(tenant, [named("a")])
    assert (result.event_id, result.deliveries, result.error) == ("a", 1, None)
    assert group_commit.waiting() == 0


def test_callers_during_a_write_share_the_next_transaction(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    callers = [(tenant, [named(f"{n}"), named(f"{n}b")]) for n in range(6)]
    groups, outcomes = publish_during_a_write(monkeypatch, callers)
    assert groups == [2, 10]
    assert [[it.event_id for it in results] for results in outcomes] == [[f"{n}", f"{n}b"] for n in range(6)]
    assert Event.objects.count() == Delivery.objects.count() == 12


def test_each_caller_gets_the_results_of_its_own_events(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tenant, [named("known")])
    callers = [
        (tenant, [named("first")]),
        (tenant, [named("known")]),
        (tenant, [named("known", data=2)]),
        (tenant, [{"type": ""}]),
        (tenant, []),
        (tenant, [named("new")]),
    ]
    _, (first, known, conflict, bad, nothing, new) = publish_during_a_write(monkeypatch, callers)
    assert (first[0].duplicate, known[0].duplicate, new[0].duplicate) == (False, True, False)
    assert isinstance(conflict[0].error, ContentConflict)
    assert (bad[0].error.attribute, nothing) == ("type", [])


def test_same_event_of_two_callers_is_a_duplicate_once(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    callers = [(tenant, [named("other")]), (tenant, [named("same")]), (tenant, [named("same")])]
    _, outcomes = publish_during_a_write(monkeypatch, callers)
    assert sorted(it[0].duplicate for it in outcomes[1:]) == [False, True]


def test_publish_without_a_writer_thread_works(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "writers", NoThreads())
    jobs = [partial(publish_in_group, tenant, [named(f"{n}")]) for n in range(8)]
    assert all(results[0].error is None for results in in_threads(*jobs))
    assert Event.objects.count() == 8
    assert group_commit.waiting() == 0


def test_failing_notification_fails_no_publish(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(endpoint_ids: Any) -> None:
        raise KeyError("notify")

    monkeypatch.setattr(notify, "notify_drains", broken)
    for name in ("a", "b"):
        assert publish_in_group(tenant, [named(name)])[0].error is None


def test_tenants_are_written_in_parallel(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    groups, outcomes = publish_during_a_write(monkeypatch, [(tenant, [named("a")]), (make_tenant(), [named("a")])])
    assert groups == [1, 1]
    assert all(results[0].error is None for results in outcomes)


def test_large_batch_has_its_own_transaction(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = [named(f"{n}") for n in range(MAX_SHARED + 1)]
    results = publish_in_group(tenant, batch)
    assert len(results) == Event.objects.count() == MAX_SHARED + 1


def test_group_beyond_its_limit_is_split_and_all_events_are_written(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 2 * MAX_GROUP // MAX_SHARED + 3
    batches = [[named(f"{n}.{m}") for m in range(MAX_SHARED)] for n in range(count)]
    groups, outcomes = publish_during_a_write(monkeypatch, [(tenant, batch) for batch in batches])
    assert groups == [MAX_SHARED, MAX_GROUP, MAX_GROUP, 2 * MAX_SHARED]
    assert Event.objects.count() == count * MAX_SHARED
    assert all(results[0].error is None for results in outcomes)


def test_database_failure_is_raised_to_every_caller(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    away = OperationalError("away")
    _, outcomes = publish_during_a_write(
        monkeypatch, [(tenant, [named(f"{n}")]) for n in range(4)], fails=lambda _: away
    )
    assert outcomes == [away] * 4
    assert not Event.objects.exists()


def test_event_rejected_by_the_database_fails_alone(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def odd(items: list[Any]) -> Exception | None:
        return DataError("odd") if any(it["id"] == "odd" for it in items) else None

    callers = [(tenant, [named(name)]) for name in ("first", "a", "odd", "b")]
    _, (first, a, bad, b) = publish_during_a_write(monkeypatch, callers, fails=odd)
    assert [it[0].error for it in (first, a, b)] == [None, None, None]
    assert isinstance(bad, DataError)


def test_stopped_writer_fails_its_callers_and_the_next_publish_works(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(tenant: Tenant, items: Sequence[Any], **more: Any) -> list[Published]:
        raise SystemExit

    with monkeypatch.context() as stopping:
        stopping.setattr(group_publish, "publish_within_plan", stop)
        with pytest.raises(OperationalError):
            publish_in_group(tenant, [named("a")])
    assert publish_in_group(tenant, [named("b")])[0].error is None
