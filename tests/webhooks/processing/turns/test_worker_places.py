"""Test how many processes of a worker handlers and slow sources may occupy."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from uuid import UUID

import pytest

from tests.factories_receiver import make_receipt, make_source
from tests.threads import in_threads
from webhooks.models import Receipt
from webhooks.processing.handlers import handles
from webhooks.processing.process import process_due
from webhooks.processing.turns.slow_sources import mark_slow
from webhooks.processing.turns.worker_places import handler_place, slow_place
from webhooks.wire.ids import new_id

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("receiver", "rules")]

Place = Callable[[], AbstractContextManager[bool]]


def taken_at_once(*places: Place) -> int:
    """Count the places that sessions of their own, all at the same time, found free."""
    all_have_asked = threading.Barrier(len(places))

    def ask(place: Place) -> bool:
        with place() as is_free:
            all_have_asked.wait()
            return is_free

    return in_threads(*[partial(ask, place) for place in places]).count(True)


def slow_places_of(*tenants: UUID) -> list[Place]:
    return [partial(slow_place, tenant) for tenant in tenants]


@pytest.mark.parametrize(("processes", "places"), [(1, 1), (2, 1), (3, 2), (5, 4)])
def test_handlers_leave_one_process_for_other_tasks(settings, processes: int, places: int) -> None:
    settings.WAYPOST_DEFAULT_WORKERS = processes
    for _ in range(2):
        assert taken_at_once(*[handler_place] * 6) == places


@pytest.mark.parametrize(("processes", "places"), [(1, 1), (3, 1), (5, 3)])
def test_slow_sources_leave_one_more_process_for_others(settings, processes: int, places: int) -> None:
    settings.WAYPOST_DEFAULT_WORKERS = processes
    assert taken_at_once(*slow_places_of(*[new_id() for _ in range(6)])) == places


@pytest.mark.parametrize(("processes", "places"), [(3, 1), (6, 2), (10, 4)])
def test_slow_sources_of_one_tenant_get_half_of_the_processes(settings, processes: int, places: int) -> None:
    settings.WAYPOST_DEFAULT_WORKERS = processes
    assert taken_at_once(*slow_places_of(*[new_id()] * 6)) == places


def test_project_without_the_setting_has_no_limits(settings) -> None:
    settings.WAYPOST_DEFAULT_WORKERS = None
    assert taken_at_once(*[handler_place] * 3, *slow_places_of(*[new_id()] * 3)) == 6


def test_receipts_are_handled_while_a_slow_handler_of_another_source_runs(settings) -> None:
    settings.WAYPOST_DEFAULT_WORKERS = 3
    is_running, go_on = threading.Event(), threading.Event()
    slow, fast = make_source(), make_source()

    @handles(slow.public_id)
    def hangs(receipt: Receipt) -> None:
        is_running.set()
        go_on.wait()

    for _ in range(5):
        make_receipt(slow)
    mark_slow([slow.id])

    def neighbours() -> int:
        is_running.wait()
        make_receipt(fast)
        done = process_due()
        go_on.set()
        return done

    assert in_threads(process_due, neighbours) == [5, 1]


def test_process_due_without_a_free_place_ends_at_once(settings, notifications) -> None:
    settings.WAYPOST_DEFAULT_WORKERS = 2
    is_running, go_on = threading.Event(), threading.Event()

    @handles()
    def hangs(receipt: Receipt) -> None:
        is_running.set()
        go_on.wait()

    def other_process() -> int:
        is_running.wait()
        make_receipt()
        done = process_due()
        go_on.set()
        return done

    make_receipt()
    assert in_threads(process_due, other_process) == [2, 0]
    assert notifications.calls == 0
