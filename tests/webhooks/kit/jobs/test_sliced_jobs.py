"""The runner of jobs that are rows: one slice in a transaction, its pace, its end, and what a failure leaves."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from delivery.models import Broadcast
from webhooks.kit.jobs.sliced_jobs import JobKind, SliceResult, cancel, run_slice, run_turn
from webhooks.kit.sql import database_now

pytestmark = pytest.mark.django_db


def make_job(**fields: Any) -> Broadcast:
    since = database_now() - timedelta(seconds=60)
    return Broadcast.objects.create(
        **{"type": "a", "body": b"", "event_id": "1", "source": "/", "rate": 100, "until_at": since, **fields}
    )


def kind_of(run: Callable[[Broadcast, int], SliceResult], failures: list[UUID] | None = None) -> JobKind[Broadcast]:
    failed = [] if failures is None else failures
    return JobKind(Broadcast, 10, ("published",), run, lambda key, _error: failed.append(key))


def publish(row: Broadcast, budget: int) -> SliceResult:
    row.published += budget
    return SliceResult(budget, has_more=row.published < 20)


def test_slice_writes_its_columns_and_the_next_one_finishes_the_job() -> None:
    row = make_job()
    kind = kind_of(publish)
    assert run_slice(kind, row.id)
    row.refresh_from_db()
    assert (row.state, row.published, row.finished_at) == ("running", 10, None)
    assert not run_slice(kind, row.id)
    row.refresh_from_db()
    assert (row.state, row.published) == ("finished", 20)
    assert row.finished_at is not None
    assert not run_slice(kind, row.id)


def test_turn_ends_when_the_rate_is_used() -> None:
    row = make_job(rate=2, until_at=database_now())
    run_turn(kind_of(publish), row.id, time.monotonic() + 60)
    row.refresh_from_db()
    assert (row.state, row.published) == ("running", 2)


def test_slice_that_fails_is_reported_and_writes_nothing() -> None:
    row, failures = make_job(), list[UUID]()

    def fail(row: Broadcast, _budget: int) -> SliceResult:
        row.published = 5
        raise ValueError

    run_turn(kind_of(fail, failures), row.id, time.monotonic() + 60)
    row.refresh_from_db()
    assert (failures, row.state, row.published) == ([row.id], "running", 0)


def test_what_follows_a_slice_is_called_after_it() -> None:
    row, seen = make_job(), list[str]()

    def publish_and_notify(row: Broadcast, _budget: int) -> SliceResult:
        row.published = 1
        return SliceResult(1, False, lambda: seen.append(Broadcast.objects.get().state))

    run_slice(kind_of(publish_and_notify), row.id)
    assert seen == ["finished"]


def test_cancelled_job_runs_no_slice() -> None:
    row = make_job()
    assert cancel(row)
    assert not cancel(row)
    assert not run_slice(kind_of(publish), row.id)
    row.refresh_from_db()
    assert (row.state, row.published) == ("cancelled", 0)
