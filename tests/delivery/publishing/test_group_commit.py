"""Who publishes at the same moment is written together, and nobody notices but the disk."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from django.db import DataError, OperationalError

from delivery import notify
from delivery.models import Delivery, Event
from delivery.publishing import group_commit
from delivery.publishing.group_commit import MOST, SMALL, publish_together
from delivery.publishing.publisher import Conflict, Published, publish
from subscriptions.models import Tenant
from tests.factories import make_subscription, make_tenant
from tests.together import NoWriters, in_threads
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nobody_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "call", lambda task, queue: None)


@pytest.fixture
def tenant() -> Tenant:
    return make_subscription().tenant


class Writing:
    """Stands before ``publish``: notes what is written together, and holds up the first until told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fails: Callable[[list[Any]], Exception | None]) -> None:
        self.groups: list[int] = []
        self.go_on = threading.Event()
        self._fails = fails
        monkeypatch.setattr(group_commit, "publish", self)

    def __call__(self, tenant: Tenant, items: Sequence[Any], **more: Any) -> list[Published]:
        self.groups.append(len(items))
        if len(self.groups) == 1:
            self.go_on.wait()
        if error := self._fails(list(items)):
            raise error
        return publish(tenant, items, **more)


def named(name: str, **changes: Any) -> dict[str, Any]:
    return {"type": "order.created", "id": name, "source": "/orders", "data": 1, **changes}


def all_at_once(
    monkeypatch: pytest.MonkeyPatch,
    callers: Sequence[tuple[Tenant, list[Any]]],
    *,
    fails: Callable[[list[Any]], Exception | None] = lambda items: None,
) -> tuple[list[int], list[Any]]:
    """The first caller is being written while all the others come. The groups, and each one's results or error."""
    writing = Writing(monkeypatch, fails=fails)
    outcomes: list[Any] = []

    def call(tenant: Tenant, items: list[Any]) -> Any:
        try:
            return publish_together(tenant, items)
        except Exception as error:
            return error

    def let_go() -> None:
        waiting = len([1 for tenant, _ in callers if tenant == callers[0][0]]) - 1
        wait_until(lambda: sum(map(len, group_commit._lines.values())) >= waiting, "all to stand in line")
        writing.go_on.set()

    def late(tenant: Tenant, items: list[Any]) -> Any:
        wait_until(lambda: bool(writing.groups), "the first to be written")
        return call(tenant, items)

    first, *others = callers
    jobs = [partial(call, *first), *(partial(late, *one) for one in others), let_go]
    outcomes = in_threads(*jobs)[:-1]
    assert not group_commit._lines
    return writing.groups, outcomes


def test_alone_it_is_written_at_once(tenant: Tenant) -> None:
    (result,) = publish_together(tenant, [named("a")])
    assert (result.event_id, result.deliveries, result.error) == ("a", 1, None)
    assert not group_commit._lines


def test_those_who_come_while_one_is_written_are_written_together(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers = [(tenant, [named(f"{n}"), named(f"{n}b")]) for n in range(6)]
    groups, outcomes = all_at_once(monkeypatch, callers)
    assert groups == [2, 10]
    assert [[it.event_id for it in results] for results in outcomes] == [[f"{n}", f"{n}b"] for n in range(6)]
    assert Event.objects.count() == Delivery.objects.count() == 12


def test_each_gets_what_became_of_its_own(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tenant, [named("known")])
    callers = [
        (tenant, [named("first")]),
        (tenant, [named("known")]),
        (tenant, [named("known", data=2)]),
        (tenant, [{"type": ""}]),
        (tenant, []),
        (tenant, [named("new")]),
    ]
    _, (first, known, conflict, bad, nothing, new) = all_at_once(monkeypatch, callers)
    assert (first[0].duplicate, known[0].duplicate, new[0].duplicate) == (False, True, False)
    assert isinstance(conflict[0].error, Conflict)
    assert (bad[0].error.attribute, nothing) == ("type", [])


def test_of_two_who_bring_the_same_one_is_the_first(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    callers = [(tenant, [named("other")]), (tenant, [named("same")]), (tenant, [named("same")])]
    _, outcomes = all_at_once(monkeypatch, callers)
    assert sorted(it[0].duplicate for it in outcomes[1:]) == [False, True]


def test_where_there_is_no_thread_to_be_had_each_writes_for_itself(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "_writers", NoWriters())
    jobs = [partial(publish_together, tenant, [named(f"{n}")]) for n in range(8)]
    assert all(results[0].error is None for results in in_threads(*jobs))
    assert Event.objects.count() == 8
    assert not group_commit._lines


def test_a_bell_that_breaks_leaves_the_line_open(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(endpoint_ids: Any) -> None:
        raise KeyError("bell")

    monkeypatch.setattr(notify, "ring", broken)
    for name in ("a", "b"):
        assert publish_together(tenant, [named(name)])[0].error is None


def test_tenants_do_not_wait_for_each_other(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    groups, outcomes = all_at_once(monkeypatch, [(tenant, [named("a")]), (make_tenant(), [named("a")])])
    assert groups == [1, 1]
    assert all(results[0].error is None for results in outcomes)


def test_a_batch_goes_by_itself(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = [named(f"{n}") for n in range(SMALL + 1)]
    results = publish_together(tenant, batch)
    assert len(results) == Event.objects.count() == SMALL + 1


def test_a_group_has_its_limit_and_nobody_is_left_behind(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 2 * MOST // SMALL + 3
    batches = [[named(f"{n}.{m}") for m in range(SMALL)] for n in range(count)]
    groups, outcomes = all_at_once(monkeypatch, [(tenant, batch) for batch in batches])
    assert groups == [SMALL, MOST, MOST, 2 * SMALL]
    assert Event.objects.count() == count * SMALL
    assert all(results[0].error is None for results in outcomes)


def test_while_the_database_is_away_everybody_hears_of_it(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    away = OperationalError("away")
    _, outcomes = all_at_once(monkeypatch, [(tenant, [named(f"{n}")]) for n in range(4)], fails=lambda _: away)
    assert outcomes == [away] * 4
    assert not Event.objects.exists()


def test_what_the_database_minds_in_one_keeps_the_others_out_of_nothing(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(items: list[Any]) -> Exception | None:
        return DataError("odd") if any(it["id"] == "odd" for it in items) else None

    callers = [(tenant, [named(name)]) for name in ("first", "a", "odd", "b")]
    _, (first, a, bad, b) = all_at_once(monkeypatch, callers, fails=odd)
    assert [it[0].error for it in (first, a, b)] == [None, None, None]
    assert isinstance(bad, DataError)


def test_a_writer_that_is_stopped_leaves_those_who_wait_an_error_and_the_line_open(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(tenant: Tenant, items: Sequence[Any], **more: Any) -> list[Published]:
        raise SystemExit

    with monkeypatch.context() as stopping:
        stopping.setattr(group_commit, "publish", stop)
        with pytest.raises(OperationalError):
            publish_together(tenant, [named("a")])
    assert publish_together(tenant, [named("b")])[0].error is None
