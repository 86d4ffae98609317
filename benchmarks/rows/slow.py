"""Publish by the clock for fast endpoints beside one that responds 200 after five seconds."""

import time

from benchmarks.bench import Bench, all_have_status, event_types, holds_within
from benchmarks.result import Figure, Result, latency
from benchmarks.wire.programs import Arrival, Response

RATE = 50  # events per second, each for every endpoint
EVENTS = 600
CONNECTIONS = 16
GRACE = 1.0  # seconds after the last event in which one for the slow endpoint may still arrive
LATE = 30.0  # seconds after the last event until the fast endpoints must have all
KEPT_UP = "the slow one's arrivals in time"


def beside_4(bench: Bench) -> Result:
    """Measure 4 fast endpoints."""
    return _measure(bench, 4)


def beside_19(bench: Bench) -> Result:
    """Measure 19 fast endpoints."""
    return _measure(bench, 19)


def _measure(bench: Bench, fast: int) -> Result:
    bench.create_endpoints(fast)
    bench.warm_up(event_types(fast))
    bench.create_endpoints(1, first=fast, kind="s")
    since = bench.sink.count
    with bench.meter() as meter:
        responses = bench.send(bench.singles(["bench.all"]), EVENTS, rate=RATE, connections=CONNECTIONS)
        time.sleep(GRACE)
        in_time = sum(arrival.lane == fast for arrival in bench.sink.arrivals(since))
        holds_within(lambda: sum(it.lane < fast for it in bench.sink.arrivals(since)) >= fast * EVENTS, LATE)
    now, arrivals = time.time_ns(), bench.sink.arrivals(since)
    at_fast = [arrival for arrival in arrivals if arrival.lane < fast]
    missing = missing_milliseconds(at_fast, responses, fast, now)
    slow = {KEPT_UP: Figure(in_time, f"of {EVENTS}", more_is_better=True)}
    result = Result(
        len(arrivals),
        latency=latency([arrival.milliseconds for arrival in at_fast] + missing),
        cost=meter.cost,
        checks=[all_have_status(responses)],
        more=slow,
    )
    if missing:
        result.notes.append(f"{len(missing)} of the fast had not arrived {LATE:.0f} s after the last event")
    if bench.system.is_usual:
        bench.system.empty()  # what is left would be sent while the next row is measured
    else:
        bench.await_delivered(since, (fast + 1) * EVENTS)
        result.checks += bench.checks(since - fast, (fast + 1) * EVENTS + fast)
    return result


def missing_milliseconds(arrivals: list[Arrival], responses: list[Response], fast: int, now: int) -> list[float]:
    """Return how long each event that did not arrive has waited until `now` (ns), for each fast endpoint."""
    there = {(arrival.lane, arrival.due) for arrival in arrivals}
    return [
        (now - response.due) / 1e6
        for response in responses
        for lane in range(fast)
        if (lane, response.due) not in there
    ]
