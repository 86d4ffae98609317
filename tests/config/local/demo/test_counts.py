"""Test the table of counts: each count that is not exactly as expected is named."""

from collections import Counter
from typing import Any

import pytest

from config.local.demo.counts import INLINE_MAX, Observed, count
from config.local.demo.receivers import MAX_FAILING_MESSAGES

LARGE = INLINE_MAX + 1


def delivery(endpoint: str, attempts: int, state: str = "delivered") -> dict[str, Any]:
    return {"endpoint": endpoint, "attempts_made": attempts, "state": state}


# Two events, one of them large. Both failed twice at one endpoint. Both are dead letters of another, one after a 410
# and one without an attempt, and were replayed.
RIGHT = Observed(
    events=2,
    repeats=1,
    duplicates=1,
    accepted=2,
    deliveries=[delivery("own", 1)] * 2 + [delivery("flaky", 3)] * 2 + [delivery("gone", 2), delivery("gone", 1)],
    flaky_id="flaky",
    dead_letters=2,
    replayed=2,
    receipts=[{"size": 100}, {"size": LARGE}],
    stored_bytes=LARGE,
    statuses=Counter({503: 2, 500: 2, 410: 1, 200: 4}),
    same_bodies=6,
    same_data=2,
    at_globex=1,
    at_initech=0,
    alerts_firing=1,
    alerts_resolved=1,
)


def wrong(seen: Observed) -> set[str]:
    return {one.name for one in count(seen) if one.found != one.expected}


def test_count_of_a_correct_run_is_right_in_every_line() -> None:
    assert wrong(RIGHT) == set()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"accepted": 3}, {"events"}),
        ({"duplicates": 0}, {"duplicates"}),
        ({"deliveries": RIGHT.deliveries[:-1]}, {"deliveries", "delivered", "attempts"}),
        ({"deliveries": [*RIGHT.deliveries[:-1], delivery("gone", 1, "pending")]}, {"delivered"}),
        ({"deliveries": [*RIGHT.deliveries[:-1], delivery("gone", 2)]}, {"attempts"}),
        ({"statuses": Counter({503: 2, 500: 2, 410: 1, 200: 5})}, {"attempts"}),
        ({"flaky_id": "own"}, {"retries"}),
        ({"dead_letters": 1}, {"dead letters"}),
        ({"alerts_firing": 2}, {"alerts"}),
        ({"alerts_resolved": 0}, {"alerts over"}),
        ({"replayed": 1}, {"replayed"}),
        ({"receipts": RIGHT.receipts[1:]}, {"receipts", "attempts"}),
        ({"stored_bytes": LARGE - 1}, {"bytes in storage"}),
        ({"statuses": Counter({503: 2, 500: 2, 410: 1, 200: 3, 401: 1})}, {"signatures"}),
        ({"same_bodies": 5}, {"bodies unchanged"}),
        ({"same_data": 1}, {"data unchanged"}),
        ({"at_globex": 21}, {"at globex"}),
        ({"at_initech": 1}, {"at initech"}),
    ],
)
def test_count_names_each_line_that_is_not_as_expected(changes: dict[str, Any], named: set[str]) -> None:
    assert wrong(RIGHT._replace(**changes)) == named


def test_count_expects_failures_of_the_first_messages_only() -> None:
    (retries,) = [one for one in count(RIGHT._replace(events=10 * MAX_FAILING_MESSAGES)) if one.name == "retries"]
    assert retries.expected == 2 * MAX_FAILING_MESSAGES


def test_wrong_count_as_text_says_what_was_found_and_expected() -> None:
    (receipts,) = [one for one in count(RIGHT._replace(receipts=[])) if one.name == "receipts"]
    assert str(receipts) == "receipts: found 0, expected 2 (our receiver keeps each event once)"
