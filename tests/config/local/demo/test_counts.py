"""No count of the demo has a tolerance: whatever is not what it must be is named."""

from dataclasses import replace
from typing import Any

import pytest

from config.local.demo.counts import INLINE_MAX, Seen, counted
from config.local.demo.listeners import MOST_STUMBLES

LARGE = INLINE_MAX + 1


def delivery(endpoint: str, attempts: int, state: str = "delivered") -> dict[str, Any]:
    return {"endpoint": endpoint, "attempts_made": attempts, "state": state}


# Two events, one of them large; both stumbled over twice, both dead (one after a 410, one unasked) and replayed.
RIGHT = Seen(
    events=2,
    repeats=1,
    refused_repeats=1,
    taken=2,
    deliveries=[delivery("own", 1)] * 2 + [delivery("stumbling", 3)] * 2 + [delivery("gone", 2), delivery("gone", 1)],
    stumbling_id="stumbling",
    dead_letters=2,
    replayed=2,
    receipts=[{"size": 100}, {"size": LARGE}],
    claimed=LARGE,
    stumbling={503: 2, 500: 2, 200: 2},
    gone={410: 1, 200: 2},
    same_bytes=6,
    same_data=2,
)


def wrong(seen: Seen) -> set[str]:
    return {count.name for count in counted(seen) if not count.is_right}


def test_a_run_as_it_must_be_is_right_in_every_count() -> None:
    assert wrong(RIGHT) == set()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"taken": 3}, {"events"}),
        ({"refused_repeats": 0}, {"duplicates refused"}),
        ({"deliveries": RIGHT.deliveries[:-1]}, {"deliveries", "delivered", "attempts"}),
        ({"deliveries": [*RIGHT.deliveries[:-1], delivery("gone", 1, "pending")]}, {"delivered"}),
        ({"deliveries": [*RIGHT.deliveries[:-1], delivery("gone", 2)]}, {"attempts"}),
        ({"stumbling": {503: 2, 500: 2, 200: 3}}, {"attempts"}),
        ({"stumbling_id": "own"}, {"retries"}),
        ({"dead_letters": 1}, {"dead"}),
        ({"replayed": 1}, {"replayed"}),
        ({"receipts": RIGHT.receipts[1:]}, {"receipts", "attempts"}),
        ({"claimed": LARGE - 1}, {"bytes claimed"}),
        ({"gone": {410: 1, 200: 1, 401: 1}}, {"signatures"}),
        ({"same_bytes": 5}, {"bodies unchanged"}),
        ({"same_data": 1}, {"data unchanged"}),
    ],
)
def test_what_is_not_as_it_must_be_is_named(changes: dict[str, Any], named: set[str]) -> None:
    assert wrong(replace(RIGHT, **changes)) == named


def test_of_many_messages_only_the_first_are_stumbled_over() -> None:
    (retries,) = [it for it in counted(replace(RIGHT, events=10 * MOST_STUMBLES)) if it.name == "retries"]
    assert retries.must_be == 2 * MOST_STUMBLES


def test_a_wrong_count_says_what_it_is_and_what_it_must_be() -> None:
    (count,) = [it for it in counted(replace(RIGHT, receipts=[])) if it.name == "receipts"]
    assert str(count) == "receipts: 0, must be 2 (our receiver keeps each once)"
