"""Test that work in slices leaves processes of a worker for everything else."""

from functools import partial
from typing import Any

import pytest

from tests.webhooks.processing.turns.test_worker_places import taken_at_once
from webhooks.kit.fair.worker_places import slice_place
from webhooks.processing.turns.worker_places import slow_place
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("processes", "fan_out_workers", "places"),
    [(1, 1, 1), (2, 1, 1), (3, 1, 1), (3, 4, 1), (6, 4, 4), (10, 2, 2)],
)
def test_slices_are_worked_on_by_as_many_processes_as_set_and_never_by_the_last_two(
    settings: Any, processes: int, fan_out_workers: int, places: int
) -> None:
    settings.WAYPOST_DEFAULT_WORKERS, settings.WAYPOST_FAN_OUT_WORKERS = processes, fan_out_workers
    assert taken_at_once(*[slice_place] * 6) == places


@pytest.mark.parametrize(("processes", "fan_out_workers"), [(3, 1), (3, 4), (5, 1), (6, 3), (10, 8)])
def test_slices_and_slow_handlers_together_leave_one_process(
    settings: Any, processes: int, fan_out_workers: int
) -> None:
    settings.WAYPOST_DEFAULT_WORKERS, settings.WAYPOST_FAN_OUT_WORKERS = processes, fan_out_workers
    places: list[Any] = [slice_place] * 10 + [partial(slow_place, new_id()) for _ in range(10)]
    assert taken_at_once(*places) == processes - 1
