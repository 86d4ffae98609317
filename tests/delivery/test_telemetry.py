"""Metrics count attempts and events, labelled by their result."""

import pytest

from delivery import telemetry
from delivery.publishing import publish_each
from delivery.transports.outcome import Failure, Outcome
from tests.factories import make_tenant


def value(counter: object, label: str) -> float:
    return float(counter.labels(label)._value.get())  # type: ignore[attr-defined]


def test_attempts_are_counted_by_result() -> None:
    before = {label: value(telemetry.ATTEMPTS, label) for label in ("delivered", "timeout", "status")}
    ended = [None, Failure.TIMEOUT, None, None]
    telemetry.attempted(Outcome(0.0, 1, failure=failure) for failure in ended)
    after = {label: value(telemetry.ATTEMPTS, label) - before[label] for label in before}
    assert after == {"delivered": 3, "timeout": 1, "status": 0}


@pytest.mark.django_db
def test_events_are_counted_by_publish_result() -> None:
    before = {label: value(telemetry.EVENTS, label) for label in ("accepted", "duplicate", "rejected")}
    event = {"type": "a", "id": "1", "data": 1}
    publish_each(make_tenant(), [event, event, {**event, "data": 2}, {"type": ""}, {"type": "b"}])
    after = {label: value(telemetry.EVENTS, label) - before[label] for label in before}
    assert after == {"accepted": 2, "duplicate": 1, "rejected": 2}
