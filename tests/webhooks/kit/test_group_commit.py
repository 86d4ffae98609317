"""Test group commit: one transaction for several items, and for each caller its own result or error."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection

from tests.metrics import metric
from tests.threads import NoThreads, in_threads
from tests.waiting import wait_until
from webhooks.kit import sql
from webhooks.kit.group_commit import AfterCommit, GroupCommit

MAX_GROUP = 64


class HeldWriter:
    """Record the groups, and hold each until ``go_on`` is set."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.go_on = threading.Event()

    def __call__(self, group: Sequence[int], after_commit: AfterCommit) -> list[int]:
        self.groups.append(list(group))
        self.go_on.wait()
        return [-number for number in group]


def commits(write: Callable[..., Any], **options: Any) -> GroupCommit[Any, Any]:
    return GroupCommit(write, **{"items": "numbers", "threads": 1, "max_group": MAX_GROUP, **options})


def close_connection() -> None:
    connection.close()


def test_items_added_during_a_write_share_the_next_one_and_each_caller_gets_its_result() -> None:
    writer = HeldWriter()
    group = commits(writer)

    first = group.submit(0)
    wait_until(lambda: writer.groups == [[0]], "the first write")
    futures = [first, *(group.submit(number) for number in range(1, 10))]
    writer.go_on.set()
    assert [future.result() for future in futures] == [-number for number in range(10)]
    assert [len(batch) for batch in writer.groups] == [1, 9]


def test_single_item_is_written_at_once() -> None:
    writer = HeldWriter()
    writer.go_on.set()
    group = commits(writer)
    assert [group.add(number) for number in (1, 2)] == [-1, -2]
    assert writer.groups == [[1], [2]]


def test_items_of_different_keys_are_not_written_together() -> None:
    writer = HeldWriter()
    group = commits(writer, threads=2)

    def release() -> None:
        wait_until(lambda: len(writer.groups) == 2, "two writers")
        writer.go_on.set()

    assert in_threads(release, lambda: group.add(1, "a"), lambda: group.add(2, "b"))[1:] == [-1, -2]
    assert sorted(writer.groups) == [[1], [2]]


def test_every_thread_gets_its_results_and_no_group_exceeds_the_maximum() -> None:
    writer = HeldWriter()
    writer.go_on.set()
    group = commits(writer)

    def add_some(first: int) -> list[int]:
        return [group.add(number) for number in range(first, first + 200)]

    found = in_threads(*[lambda first=first: add_some(first) for first in range(0, 4000, 200)])
    assert sorted(number for part in found for number in part) == [-number for number in range(3999, -1, -1)]
    assert max(map(len, writer.groups)) <= MAX_GROUP
    assert group.waiting() == 0


def test_group_is_limited_by_weight_and_has_at_least_one_item() -> None:
    writer = HeldWriter()
    group = commits(writer, max_group=10, weigh=lambda number: number)
    started = threading.Event()

    def release() -> None:
        wait_until(lambda: group.waiting() == 4, "four items")
        writer.go_on.set()

    def first() -> int:
        started.set()
        return int(group.add(1))

    def others() -> None:
        wait_until(lambda: bool(writer.groups), "the first write")
        for number in (6, 4, 7, 99):
            count = group.waiting()
            threading.Thread(target=group.add, args=(number,)).start()
            wait_until(lambda count=count: group.waiting() == count + 1, "the item")

    in_threads(first, others, release)
    wait_until(lambda: len(writer.groups) == 4, "all groups")
    assert writer.groups == [[1], [6, 4], [7], [99]]


def test_add_without_a_writer_thread_writes_in_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    group = commits(lambda batch, _: [-number for number in batch])
    monkeypatch.setattr(group, "writers", NoThreads())
    assert in_threads(*[lambda number=number: group.add(number) for number in range(8)]) == [
        -number for number in range(8)
    ]


@pytest.mark.django_db(transaction=True)
def test_connection_that_was_cut_while_idle_fails_no_item(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhooks.kit.group_commit.CHECK_AFTER", 0.0)
    group = commits(lambda batch, _: [sql.run(text.encode(), [])[0][0] for text in batch])
    with ThreadPoolExecutor(1) as writers:
        monkeypatch.setattr(group, "writers", writers)
        backend = group.add("SELECT pg_backend_pid()")
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])
        assert group.add("SELECT 7") == 7
        writers.submit(close_connection)


@pytest.mark.parametrize(
    ("error", "fails"), [(DataError, {3}), (UnicodeError, {3}), (OperationalError, set(range(1, 6)))]
)
def test_invalid_item_fails_alone_and_a_broken_connection_fails_its_group(
    error: type[Exception], fails: set[int]
) -> None:
    held, first = threading.Event(), threading.Event()

    def write(batch: Sequence[int], _: AfterCommit) -> list[int]:
        if 0 in batch:
            first.set()
            held.wait()
        elif 3 in batch:
            raise error("no")
        return list(batch)

    group = commits(write)

    def release() -> None:
        wait_until(lambda: group.waiting() == 5, "five items")
        held.set()

    def add(number: int) -> Any:
        if number:
            first.wait()
        return group.add(number)

    results = in_threads(release, *[lambda number=number: add(number) for number in range(6)])[1:]
    assert {number for number, result in enumerate(results) if isinstance(result, error)} == fails
    assert group.add(9) == 9


def test_after_commit_calls_run_once_the_caller_is_released_and_their_failures_are_counted() -> None:
    released, called = threading.Event(), threading.Event()

    def broken() -> None:
        raise KeyError

    def later() -> None:
        released.wait()
        called.set()

    def write(batch: Sequence[int], after_commit: AfterCommit) -> list[int]:
        after_commit += [broken, later]
        return list(batch)

    before = metric("waypost_wakeups_failed_total", channel="writer")
    group = commits(write)
    assert group.add(1) == 1
    released.set()
    called.wait()
    assert metric("waypost_wakeups_failed_total", channel="writer") == before + 1
    assert group.add(2) == 2


def test_after_commit_calls_of_a_failed_write_are_dropped() -> None:
    called: list[int] = []

    def write(batch: Sequence[int], after_commit: AfterCommit) -> list[int]:
        after_commit.append(lambda: called.append(1))
        raise DataError

    group = commits(write)
    with pytest.raises(DataError):
        group.add(1)
    assert called == []


def test_owners_of_items_take_turns_where_more_wait_than_fit_in_one_group() -> None:
    writer = HeldWriter()
    group = commits(writer, max_group=4, owner_of=lambda number: number // 100)
    first = group.submit(0)
    wait_until(lambda: writer.groups == [[0]], "the first group")
    others = [group.submit(number) for number in [*range(1, 10), 100, 101, 200]]
    writer.go_on.set()
    assert [future.result() for future in (first, *others)] == [0, *range(-1, -10, -1), -100, -101, -200]
    assert writer.groups == [[0], [1, 100, 200, 2], [101, 3, 4, 5], [6, 7, 8, 9]]


def test_keys_take_turns_where_there_are_more_than_writers() -> None:
    writer = HeldWriter()
    group = commits(writer, max_group=2)
    futures = [group.submit(0, "a")]
    wait_until(lambda: writer.groups == [[0]], "the first group")
    futures += [group.submit(number, "a") for number in range(1, 7)] + [group.submit(100, "b"), group.submit(200, "c")]
    writer.go_on.set()
    assert [-future.result() for future in futures] == [0, 1, 2, 3, 4, 5, 6, 100, 200]
    assert writer.groups == [[0], [100], [200], [1, 2], [3, 4], [5, 6]]
