"""Test the latencies of events that did not arrive."""

from benchmarks.rows.slow import missing_milliseconds
from benchmarks.wire.programs import Arrival, Response

SECOND = 1_000_000_000


def test_missing_events_count_with_the_time_they_have_waited_at_each_fast_endpoint() -> None:
    responses = [Response(due * SECOND, due * SECOND, due * SECOND, 202) for due in (1, 2)]
    arrivals = [
        Arrival(3 * SECOND, 1 * SECOND, 0),
        Arrival(3 * SECOND, 1 * SECOND, 1),
        Arrival(3 * SECOND, 2 * SECOND, 1),
    ]
    assert missing_milliseconds(arrivals, responses, 2, 10 * SECOND) == [8_000.0]
    assert missing_milliseconds(arrivals, responses, 3, 10 * SECOND) == [9_000.0, 8_000.0, 8_000.0]
