"""The checker finds every kind of breach: each case spoils one thing in books that agree."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.faults.checker import Owed, Report, check
from tests.faults.publisher import Asked, Book
from tests.faults.sink import Line


@dataclass
class Books:
    """One event, delivered once, in all three of them."""

    book: Book
    lines: list[Line]
    tables: list[Owed]

    def check(self, copies_allowed: int = 0) -> Report:
        return check(self.book, self.lines, self.tables, copies_allowed)


@pytest.fixture
def books() -> Books:
    book = Book(Path("nowhere"), promised={"o-1": "evt_1"}, asked=[Asked(0.0, 0.01, 202)])
    line = Line("evt_1", "/first", ordinal=1, digest="d", verified=True, at=1.0)
    row = Owed("evt_1", "o-1", "/first", "delivered", letters=0, acknowledged=1, unanswered=0)
    return Books(book, [line], [row])


def test_books_that_agree_are_no_breach(books: Books) -> None:
    assert books.check() == Report(lost=0, copies=0, breaches=[])


def test_a_copy_is_a_breach_unless_a_fault_can_have_caused_it(books: Books) -> None:
    books.lines.append(replace(books.lines[0], ordinal=2))
    books.tables[0] = books.tables[0]._replace(unanswered=1)
    assert books.check(copies_allowed=1) == Report(lost=0, copies=1, breaches=[])
    assert books.check().breaches == ["1 copies, where this fault can cause 0; 1 had no answer"]


def never_came(books: Books) -> None:
    books.lines.clear()


def came_without_a_row(books: Books) -> None:
    books.tables.clear()


def came_as_another(books: Books) -> None:
    books.book.promised["o-1"] = "evt_2"


def was_refused(books: Books) -> None:
    books.book.promised.clear()
    books.book.refused.add("o-1")


def came_in_other_bytes(books: Books) -> None:
    books.lines.append(replace(books.lines[0], digest="e"))
    books.tables[0] = books.tables[0]._replace(unanswered=1)


def was_badly_signed(books: Books) -> None:
    books.lines[0] = replace(books.lines[0], verified=False)


def stands_in_no_history(books: Books) -> None:
    books.lines.append(replace(books.lines[0], ordinal=2))


def is_only_said_to_have_come(books: Books) -> None:
    books.tables[0] = books.tables[0]._replace(acknowledged=2)


def is_still_pending(books: Books) -> None:
    books.tables[0] = books.tables[0]._replace(state="pending")


def is_dead_without_a_letter(books: Books) -> None:
    books.tables[0] = books.tables[0]._replace(state="dead")


def is_not_owed_to_an_endpoint(books: Books) -> None:
    books.tables.append(Owed("evt_1", "o-1", "/second", None, 0, 0, 0))


def got_an_error_of_ours(books: Books) -> None:
    books.book.asked.append(Asked(0.0, 0.01, 500))


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (never_came, "lost"),
        (came_without_a_row, "came, and was never taken"),
        (came_as_another, "promised"),
        (was_refused, "refused"),
        (came_in_other_bytes, "not the same bytes"),
        (was_badly_signed, "signature"),
        (stands_in_no_history, "not what the history says"),
        (is_only_said_to_have_come, "not what the history says"),
        (is_still_pending, "neither delivered nor dead"),
        (is_dead_without_a_letter, "neither delivered nor dead"),
        (is_not_owed_to_an_endpoint, "neither delivered nor dead"),
        (got_an_error_of_ours, "answered 500"),
    ],
)
def test_a_breach_is_found(books: Books, spoil: Callable[[Books], None], found: str) -> None:
    spoil(books)
    assert any(found in breach for breach in books.check(copies_allowed=9).breaches)
