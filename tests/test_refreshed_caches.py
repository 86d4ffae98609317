"""Test every cache that publishing and receiving read: no caller waits for a refresh, no change is seen too late.

The changes are made as by another process, so this one drops nothing that it has.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from django.utils import timezone

from delivery import notify as drains
from delivery.publishing import monthly_quota
from delivery.publishing.publisher import publish
from subscriptions.api.native_authentication import authenticate_natively
from subscriptions.event_types.json_schema import schema_check
from subscriptions.event_types.models import EventType
from subscriptions.models import ApiKey, Plan, Scope
from subscriptions.tenants import keys, plans
from tests.factories import make_client, make_event_type, make_key, make_plan, make_subscription, make_tenant
from tests.factories_receiver import make_source, signed
from tests.statements import before_statements
from tests.threads import EndingRefresher, NoThreads
from webhooks.kit.caches import timed_cache
from webhooks.kit.fair.threads import request_threads
from webhooks.kit.native_request import NativeRequest
from webhooks.models import Source
from webhooks.processing import notify as receipts
from webhooks.sources.snapshot import SourceLookup, clear_snapshots, find_source

pytestmark = pytest.mark.django_db(transaction=True)


class CacheCase(NamedTuple):
    """How a cached value is read, and changed by another process; ``read`` returns False before, and True after."""

    read: Callable[[], bool]
    change: Callable[[], Any]


def api_key() -> CacheCase:
    _, text = make_key(make_tenant())
    return CacheCase(lambda: keys.find_key(text) is None, lambda: ApiKey.objects.update(revoked_at=timezone.now()))


def default_plan() -> CacheCase:
    tenant = make_tenant()
    make_plan(is_default=True)
    return CacheCase(lambda: plans.plan_of(tenant).publish_rate == 7, lambda: Plan.objects.update(publish_rate=7))


def event_types() -> CacheCase:
    make_event_type(name="order.paid")
    before = schema_check.current_version()
    return CacheCase(
        lambda: schema_check.current_version() > before, lambda: EventType.objects.update(description="Paid.")
    )


def source() -> CacheCase:
    name = make_source().public_id

    def is_paused() -> bool:
        found = find_source(name)
        return found is None or not found.accepts_messages

    return CacheCase(is_paused, lambda: Source.objects.update(paused_at=timezone.now()))


def events_of_the_month() -> CacheCase:
    tenant, limit = make_tenant(), monthly_quota.NEAR + 9
    events = [{"type": "order.paid", "data": number} for number in range(20)]
    return CacheCase(lambda: monthly_quota.is_near(tenant.id, limit, 0), lambda: publish(tenant, events))


@pytest.fixture(params=[api_key, default_plan, event_types, source, events_of_the_month], ids=lambda it: it.__name__)
def case(request: pytest.FixtureRequest, clock: list[float]) -> CacheCase:
    made: CacheCase = request.param()
    return made


@pytest.fixture(autouse=True)
def no_worker_is_notified(monkeypatch: pytest.MonkeyPatch) -> None:
    for notifier in (drains.drain_starter, receipts.receipt_workers):
        monkeypatch.setattr(notifier, "notify", lambda: None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [1000.0]
    monkeypatch.setattr(timed_cache, "monotonic", lambda: now[0])
    _clear()
    yield now
    _clear()


@pytest.fixture
def refresher(monkeypatch: pytest.MonkeyPatch) -> Iterator[EndingRefresher]:
    refresher = EndingRefresher()
    monkeypatch.setattr(timed_cache, "refresher", lambda: refresher)
    yield refresher
    refresher.finish()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the statements that callers wait for: those of all threads but the one that refreshes."""
    seen: list[str] = []

    def note(statement: Any) -> None:
        if threading.current_thread().name != "cache-refresh":
            seen.append(str(statement))

    before_statements(monkeypatch, note)
    return seen


def _clear() -> None:
    keys.cached_keys.clear(), plans.clear_cache(), schema_check.clear_cache(), clear_snapshots()
    monthly_quota.forget()


def test_caller_past_the_refresh_time_makes_no_query_and_the_next_sees_the_change(
    case: CacheCase, clock: list[float], refresher: EndingRefresher, django_assert_num_queries: Any
) -> None:
    assert not case.read()
    case.change()
    clock[0] += 0.9
    with django_assert_num_queries(0):
        assert not case.read()
        refresher.finish()
        assert case.read()


def test_change_after_a_refresh_is_seen_within_a_second(
    case: CacheCase, clock: list[float], refresher: EndingRefresher
) -> None:
    assert not case.read()
    clock[0] += 0.6
    assert not case.read()
    refresher.finish()
    case.change()
    clock[0] += 1.0
    assert case.read()


def test_change_is_seen_within_a_second_where_nothing_is_refreshed(case: CacheCase, clock: list[float]) -> None:
    assert not case.read()
    case.change()
    clock[0] += 0.9
    case.read()
    clock[0] += 0.1
    assert case.read()


def test_native_requests_past_the_refresh_time_use_no_thread(
    clock: list[float], refresher: EndingRefresher, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, text = make_key(make_tenant())
    name = make_source().public_id
    keys.find_key(text), find_source(name)
    headers = {"authorization": f"Bearer {text}"}
    body: Any = None  # nothing reads it
    request = NativeRequest("POST", "http", "testserver", "/", "", headers, "192.0.2.1", False, "192.0.2.1", body)
    monkeypatch.setattr(request_threads(), "executor", NoThreads())

    async def look_up() -> tuple[Any, Any]:
        key = await authenticate_natively(request, Scope.PUBLISH, "delivery.add_event")
        return key, await SourceLookup().find(name, "192.0.2.1")

    clock[0] += 0.9
    found, known = asyncio.run(look_up())
    assert (found, known.accepts_messages) == (key, True)
    refresher.finish()
    clock[0] += 0.9
    found, known = asyncio.run(look_up())
    assert (found, known.accepts_messages) == (key, True)


def statements_of_a_request(
    send: Callable[[], Any], status: int, clock: list[float], refresher: EndingRefresher, statements: list[str]
) -> tuple[list[str], list[str], list[str]]:
    """Return what a request waits for with all caches filled, with all past their refresh time, and again."""
    found = []
    assert send().status_code == status
    for seconds in (0.0, 0.9, 0.9):
        refresher.finish()
        clock[0] += seconds
        statements.clear()
        assert send().status_code == status
        found.append(list(statements))
    return found[0], found[1], found[2]


def test_publishing_past_the_refresh_time_waits_for_no_other_statement_than_before(
    clock: list[float], refresher: EndingRefresher, statements: list[str]
) -> None:
    make_plan(is_default=True, events_per_month=10**6)
    client = make_client(make_subscription().tenant)
    numbers = iter(range(9))

    def send() -> Any:
        return client.post("/api/v1/events/", {"type": "order.paid", "id": str(next(numbers)), "data": 1})

    fresh, past, again = statements_of_a_request(send, 202, clock, refresher, statements)
    assert fresh
    assert past == fresh
    assert again == fresh


def test_receiving_past_the_refresh_time_waits_for_no_other_statement_than_before(
    clock: list[float], refresher: EndingRefresher, statements: list[str], client: Any
) -> None:
    source, numbers = make_source(), iter(range(9))

    def send() -> Any:
        headers = signed(b"{}", message_id=f"msg_{next(numbers)}")
        return client.post(f"/in/{source.public_id}/", b"{}", content_type="application/json", headers=headers)

    fresh, past, again = statements_of_a_request(send, 202, clock, refresher, statements)
    assert fresh
    assert past == fresh
    assert again == fresh
