"""Test what becomes of alerts, given where a condition holds now."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from delivery.alerts.transitions import FIRING, PENDING, Transitions, decide
from webhooks.kit.conditions.condition import Finding

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)


@dataclass
class Open:
    state: str
    since: datetime = NOW
    last_true_at: datetime = NOW


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def found(subject: str = "a", since: datetime | None = None) -> Finding:
    return Finding("endpoint", subject, subject, "wrong", since=since)


def shape(changes: Transitions) -> tuple[list[str], list[str], int, int]:
    begun, held = [state for _, state in changes.begun], [state for _, _, state in changes.held]
    return begun, held, len(changes.ended), len(changes.dropped)


@pytest.mark.parametrize(
    ("name", "alert", "finding", "minutes", "keep", "expected"),
    [
        ("new, at once", None, found(), 0, 0, ([FIRING], [], 0, 0)),
        ("new, unknown since when", None, found(), 5, 0, ([PENDING], [], 0, 0)),
        ("new, for long", None, found(since=ago(5)), 5, 0, ([FIRING], [], 0, 0)),
        ("new, not for long", None, found(since=ago(4)), 5, 0, ([], [], 0, 0)),
        ("pending for long", Open(PENDING, ago(5)), found(), 5, 0, ([], [FIRING], 0, 0)),
        ("pending", Open(PENDING, ago(4)), found(), 5, 0, ([], [PENDING], 0, 0)),
        ("pending, over", Open(PENDING, ago(4)), None, 5, 0, ([], [], 0, 1)),
        ("firing", Open(FIRING, ago(60)), found(), 5, 0, ([], [FIRING], 0, 0)),
        ("firing, began anew", Open(FIRING, ago(60)), found(since=ago(1)), 5, 0, ([], [FIRING], 0, 0)),
        ("firing, over", Open(FIRING, ago(60)), None, 5, 0, ([], [], 1, 0)),
        ("firing, over, kept", Open(FIRING, ago(60), ago(1)), None, 5, 2, ([], [], 0, 0)),
        ("firing, over for long", Open(FIRING, ago(60), ago(2)), None, 5, 2, ([], [], 1, 0)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_decide_follows_the_table(name, alert, finding, minutes, keep, expected):
    open_alerts = {"a": alert} if alert else {}
    changes = decide(open_alerts, [finding] if finding else [], NOW, minutes, keep)
    assert shape(changes) == expected, name


def test_decide_ends_nothing_if_not_all_subjects_were_found():
    assert shape(decide({"a": Open(FIRING, ago(60))}, [], NOW, 0, 0, are_all=False)) == ([], [], 0, 0)


def test_decide_begins_one_alert_for_a_subject_that_was_found_twice():
    assert shape(decide({}, [found(), found()], NOW, 0, 0)) == ([FIRING], [], 0, 0)
