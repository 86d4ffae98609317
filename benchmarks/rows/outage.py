"""Publish for an endpoint that refuses connections for 20 seconds, then accepts them."""

import time

from benchmarks.bench import BATCH, Bench, all_have_status, counted, event_types, holds_within
from benchmarks.result import Figure, Result

OUTAGE = 20  # seconds; a batch is published in each
EVENTS = OUTAGE * BATCH
WITHIN = 131.0  # seconds after the outage until all must have arrived


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
            ended = time.monotonic()
            are_all_there = holds_within(lambda: sink.count >= EVENTS, WITHIN)
            seconds, arrived = time.monotonic() - ended, sink.count
            if are_all_there:
                bench.await_settled()
    finally:
        sink.close()
    checks = [all_have_status(responses), counted(f"all there after {WITHIN:.0f} s", arrived, EVENTS)]
    more = {"all there after": Figure(seconds, "s")}
    return Result(EVENTS, cost=meter.cost, checks=checks, more=more)
