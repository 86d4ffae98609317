"""Measure routing alone: find the subscriptions that match an event, in one process, without a database."""

import time
import tracemalloc
from typing import Any

from benchmarks.bench import Bench
from benchmarks.result import Check, Result
from subscriptions.routing.compiled_patterns import LazyPattern
from subscriptions.routing.route_table import Route, RouteEntry, RouteTable
from webhooks.wire.ids import new_id

COUNTS = (1, 100, 10_000)
MAX_MICROSECONDS = 50.0  # for one event among 10,000 subscriptions
EVENT_TYPE = "order.paid"


def route(bench: Bench) -> Result:
    """Route events that match one subscription each; each subscription has a customer, regions and a range."""
    events, notes, checks = bench.size(20_000, 200_000), [], []
    took: list[float] = []
    for count in COUNTS:
        tracemalloc.start()
        routes = build_routes(count)
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        took = _route(routes, count, events)
        found = len(routes.find(EVENT_TYPE, lambda: _event(count - 1)))  # noqa: B023 (called at once)
        checks.append(Check(f"one of {count:,} subscriptions matches", found == 1, f"{found} match"))
        notes.append(f"{count:,} subscriptions: {1e6 * sum(took) / events:.1f} us each, {size / count:,.0f} bytes each")
    aim = Check(f"at most {MAX_MICROSECONDS:.0f} us for an event", 1e6 * sum(took) / events <= MAX_MICROSECONDS)
    return Result(events, events / sum(took), checks=checks, unit="events", aim=aim, notes=notes)


def build_routes(count: int) -> RouteTable:
    """Return `count` subscriptions as a process has them in memory, with the index that the first event builds."""
    kept = {}
    for number in range(count):
        pattern = {"customer": [f"c{number}"], "region": ["eu", "us"], "total": [{"numeric": [">", 100]}]}
        key = new_id()
        made = Route(key, new_id(), pattern=LazyPattern({"data": pattern}))
        kept[key] = RouteEntry(f"{number}/0/(0,1)/0", made, (EVENT_TYPE,))
    routes = RouteTable(1, kept)
    routes.find(EVENT_TYPE, lambda: _event(0))
    return routes


def _event(number: int) -> dict[str, Any]:
    lines = [{"sku": f"s{each}", "quantity": each} for each in range(5)]
    return {"type": EVENT_TYPE, "data": {"customer": f"c{number}", "region": "eu", "total": 150, "lines": lines}}


def _route(routes: RouteTable, count: int, events: int) -> list[float]:
    """Return the seconds for each event; they are for a hundred customers in turn, whose patterns are compiled."""
    documents = [_event(number * max(1, count // 100) % count) for number in range(100)]
    took = []
    for number in range(-len(documents), events):
        document = documents[number % len(documents)]
        started = time.perf_counter()
        routes.find(EVENT_TYPE, lambda: document)  # noqa: B023 (called at once)
        took.append(time.perf_counter() - started)
    return took[len(documents) :]
