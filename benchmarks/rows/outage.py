"""Publish for an endpoint that refuses connections for 20 seconds, then accepts them."""

import time

from benchmarks.bench import BATCH, Bench, all_have_status, event_types
from benchmarks.result import Check, Figure, Result
from benchmarks.wire.programs import Sink

OUTAGE = 20  # seconds; a batch is published in each
WITHIN = 131.0  # seconds after the outage until all must have arrived
LOOK_EVERY = 0.05  # seconds


def recovery(bench: Bench) -> Result:
    """Measure the time from the end of the outage until every delivery has arrived."""
    sink = bench.closed_sink()
    try:
        bench.create_endpoints(1, sink=sink)
        with bench.meter() as meter:
            began = time.monotonic()
            responses = bench.send(bench.batches(event_types(1)), OUTAGE, rate=1.0)
            time.sleep(max(0.0, began + OUTAGE - time.monotonic()))
            sink.come_up()
            seconds, arrived = _wait(sink, OUTAGE * BATCH)
            if arrived == OUTAGE * BATCH:
                bench.await_settled()
    finally:
        sink.close()
    checks = [
        all_have_status(responses),
        Check(f"all there after {WITHIN:.0f} s", arrived == OUTAGE * BATCH, f"{arrived} of {OUTAGE * BATCH}"),
    ]
    more = {"all there after": Figure(seconds, "s")}
    return Result(OUTAGE * BATCH, cost=meter.cost, checks=checks, more=more)


def _wait(sink: Sink, expected: int) -> tuple[float, int]:
    """Return the seconds until all had arrived, or until they were waited for in vain, and the number of arrivals."""
    began = time.monotonic()
    while (arrived := sink.count) < expected and time.monotonic() - began < WITHIN:
        time.sleep(LOOK_EVERY)
    return time.monotonic() - began, arrived
