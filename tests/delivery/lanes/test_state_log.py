"""Changes of an endpoint's state are lines of the log with its ids, and a flapping endpoint does not fill the log."""

from types import SimpleNamespace
from typing import Any

from structlog.testing import capture_logs

from delivery.lanes.breaker import OPEN_AFTER_FAILURES, OPEN_AFTER_SECONDS, OUTAGE_FAILURES
from delivery.lanes.lane import LeasedLane
from delivery.lanes.state_log import EVERY, StateLog, state_of
from delivery.transports.outcome import Failure, Outcome
from tests.delivery.factories_lanes import START, make_lane
from webhooks.wire.ids import new_id, public

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def attempt(log: StateLog, lane: LeasedLane, now: float, *, succeeds: bool = False) -> Any:
    """End an attempt, and return its delivery."""
    ids = {"id": new_id(), "event_id": new_id(), "endpoint_id": lane.target.endpoint_id}
    claimed: Any = SimpleNamespace(**ids, traceparent=TRACE)
    outcome = Outcome(now, 1, status=200 if succeeds else 503, failure=None if succeeds else Failure.STATUS)
    before = state_of(lane.breaker)
    lane.on_started(1, now)
    lane.on_attempt_ended(outcome, now)
    log.on_attempt_ended(lane, claimed, outcome, before, now)
    return claimed


def test_outage_is_told_from_its_first_failures_to_its_end() -> None:
    log, lane = StateLog(), make_lane()
    with capture_logs() as lines:
        for number in range(OPEN_AFTER_FAILURES):
            opening = attempt(log, lane, START + number * OPEN_AFTER_SECONDS / (OPEN_AFTER_FAILURES - 1))
        closing = attempt(log, lane, START + 60.0, succeeds=True)
    assert [line["event"] for line in lines] == [
        *("endpoint failing", "circuit opened", "circuit closed", "endpoint recovered")
    ]
    failing, opened, closed, recovered = lines
    assert (failing["failures"], failing["status"], failing["failure"]) == (OUTAGE_FAILURES, 503, "status")
    assert opened["seconds"] > 0
    assert (closed["failing_seconds"], recovered["failures"]) == (60.0, OPEN_AFTER_FAILURES)
    for line in lines:
        assert line["trace_id"] == TRACE[3:35]
        assert line["tenant"] == public("tnt", lane.target.tenant_id)
        assert line["endpoint"] == public("ep", lane.target.endpoint_id)
    assert (opened["delivery"], opened["event_id"]) == (public("dlv", opening.id), public("evt", opening.event_id))
    assert closed["delivery"] == public("dlv", closing.id)


def test_single_failures_are_not_logged() -> None:
    log, lane = StateLog(), make_lane()
    with capture_logs() as lines:
        for number in range(10):
            attempt(log, lane, START + number, succeeds=number % OUTAGE_FAILURES == 0)
    assert lines == []


def test_flapping_endpoint_has_a_line_of_each_kind_a_minute() -> None:
    log, lane = StateLog(), make_lane()
    with capture_logs() as lines:
        for number in range(100):
            attempt(log, lane, START + number * EVERY / 100, succeeds=number % 10 == 9)
    assert [line["event"] for line in lines] == ["endpoint failing", "endpoint recovered"]
