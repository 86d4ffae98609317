"""Several in one transaction: each gets its own answer, none waits for company, none pays for another."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DataError, OperationalError, connection

from tests.together import NoWriters, in_threads
from tests.waiting import wait_until
from webhooks.kit import sql
from webhooks.kit.group_commit import MOST, Together, aside


class Slow:
    """A writer that can be held up, and remembers what it was given at once."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may = threading.Event()

    def __call__(self, batch: Sequence[int]) -> list[int]:
        self.batches.append(list(batch))
        self.may.wait()
        return [-number for number in batch]


def test_whoever_comes_while_another_writes_is_written_with_the_next_and_each_gets_its_own_answer() -> None:
    slow = Slow()
    together = Together(slow)

    def release() -> None:
        wait_until(lambda: len(together._waiting) == 9, "nine who wait")
        slow.may.set()

    def add(number: int) -> int:
        return together.add(number)

    answers = in_threads(release, *[lambda number=number: add(number) for number in range(10)])
    assert answers[1:] == [-number for number in range(10)]
    assert [len(batch) for batch in slow.batches] == [1, 9]


def test_one_who_is_alone_waits_for_nobody() -> None:
    slow = Slow()
    slow.may.set()
    together = Together(slow)
    assert [together.add(number) for number in (1, 2)] == [-1, -2]
    assert slow.batches == [[1], [2]]


def test_many_threads_are_all_answered_and_no_batch_is_too_large() -> None:
    slow = Slow()
    slow.may.set()
    together = Together(slow)

    def add_some(first: int) -> list[int]:
        return [together.add(number) for number in range(first, first + 200)]

    found = in_threads(*[lambda first=first: add_some(first) for first in range(0, 4000, 200)])
    assert sorted(number for part in found for number in part) == [-number for number in range(3999, -1, -1)]
    assert max(map(len, slow.batches)) <= MOST


def test_where_there_is_no_thread_to_be_had_each_writes_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhooks.kit.group_commit._writers", NoWriters())
    together: Together[int, int] = Together(lambda batch: [-number for number in batch])
    assert in_threads(*[lambda number=number: together.add(number) for number in range(8)]) == [
        -number for number in range(8)
    ]


def test_what_is_done_aside_returns_raises_and_is_done_here_where_no_thread_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert aside(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        aside(lambda: 1 / 0)
    monkeypatch.setattr("webhooks.kit.group_commit._helpers", NoWriters())
    assert aside(threading.get_ident) == threading.get_ident()


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_cut_while_nobody_came_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhooks.kit.group_commit.ASKED_AFTER", 0.0)
    together: Together[str, int] = Together(lambda batch: [sql.run(text.encode(), [])[0][0] for text in batch])
    with ThreadPoolExecutor(1) as writers:
        monkeypatch.setattr("webhooks.kit.group_commit._writers", writers)
        backend = together.add("SELECT pg_backend_pid()")
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])
        assert together.add("SELECT 7") == 7
        writers.submit(lambda: connection.close())


@pytest.mark.parametrize(
    ("error", "fails"), [(DataError, {3}), (UnicodeError, {3}), (OperationalError, set(range(1, 6)))]
)
def test_a_refused_row_fails_alone_and_a_broken_connection_fails_all_that_were_in_it(error, fails: set[int]) -> None:
    held, first = threading.Event(), threading.Event()

    def write(batch: Sequence[int]) -> list[int]:
        if 0 in batch:
            first.set()
            held.wait()
        elif 3 in batch:
            raise error("no")
        return list(batch)

    together = Together(write)

    def release() -> None:
        wait_until(lambda: len(together._waiting) == 5, "five who wait")
        held.set()

    def add(number: int) -> int:
        if number:
            first.wait()
        return together.add(number)

    answers = in_threads(release, *[lambda number=number: add(number) for number in range(6)])[1:]
    assert {number for number, answer in enumerate(answers) if isinstance(answer, error)} == fails
    assert together.add(9) == 9
