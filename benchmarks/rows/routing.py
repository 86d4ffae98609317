"""A row about routing alone: which of a tenant's subscriptions want an event, in one process, without a database."""

import time
import tracemalloc
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Aim, Check, Latency, Row
from subscriptions.routing.compiled_patterns import Narrowing
from subscriptions.routing.route_table import Kept, Route, Routes
from webhooks.wire.ids import new_id

__all__ = ["routing"]

COUNTS = (1, 100, 10_000)
SLOWEST = 50.0  # microseconds for one event among 10,000 subscriptions


def routing(bench: Bench) -> Row:
    """Subscriptions of one type, each for a customer of its own and large totals; each event is for one of them."""
    events = bench.size(20_000, 200_000)
    most = COUNTS[-1]
    pictures = {count: picture(count) for count in COUNTS[:-1]}
    pictures[most], size = _weighed(most)
    rates = {count: _rate(routes, count, events) for count, routes in pictures.items()}
    microseconds = 1e6 / rates[most]
    return Row(
        name="routing",
        title="Routing: one event among 10,000 subscriptions with patterns",
        setting=f"one process; {events:,} events against each of {', '.join(f'{count:,}' for count in COUNTS)} subscriptions",
        count=events,
        rate=rates[most],
        unit="events",
        latency=Latency.of(_each(pictures[most], most)),
        aim=Aim(f"at most {SLOWEST:.0f} microseconds each, however many there are", microseconds <= SLOWEST),
        checks=[_found(routes, count) for count, routes in pictures.items()],
        notes=[
            *(f"{count:,} subscriptions: {1e6 / rate:.1f} us for an event" for count, rate in rates.items()),
            f"memory: {size / most:,.0f} bytes for a subscription among {most:,}, the patterns kept compiled included",
        ],
    )


def picture(count: int) -> Routes:
    """So many subscriptions, as a process holds them."""
    kept = {}
    for number in range(count):
        key = new_id()
        kept[key] = Kept(
            f"{number}/0/(0,1)/0", Route(key, new_id(), pattern=Narrowing(_pattern(number))), ("order.paid",)
        )
    made = Routes(1, ((it.route, it.event_types) for it in kept.values()), kept)
    made.find("order.paid", lambda: _event(0))  # the first event makes the index
    return made


def _pattern(number: int) -> dict[str, Any]:
    return {"data": {"customer": [f"c{number}"], "region": ["eu", "us"], "total": [{"numeric": [">", 100]}]}}


def _event(number: int) -> dict[str, Any]:
    lines = [{"sku": f"s{each}", "quantity": each} for each in range(5)]
    return {"type": "order.paid", "data": {"customer": f"c{number}", "region": "eu", "total": 150, "lines": lines}}


def _events(count: int) -> list[dict[str, Any]]:
    """For a hundred of the customers, in turn."""
    return [_event(number * max(1, count // 100) % count) for number in range(100)]


def _rate(routes: Routes, count: int, events: int) -> float:
    documents = _events(count)
    for document in documents:
        routes.find("order.paid", lambda: document)  # noqa: B023 (called at once)
    started = time.perf_counter()
    for _ in range(events // len(documents)):
        for document in documents:
            routes.find("order.paid", lambda: document)  # noqa: B023
    return events / (time.perf_counter() - started)


def _each(routes: Routes, count: int) -> list[float]:
    took = []
    for document in _events(count) * 20:
        started = time.perf_counter()
        routes.find("order.paid", lambda: document)  # noqa: B023
        took.append((time.perf_counter() - started) * 1_000)
    return took


def _weighed(count: int) -> tuple[Routes, int]:
    """The picture and the bytes it takes."""
    tracemalloc.start()
    routes = picture(count)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return routes, size


def _found(routes: Routes, count: int) -> Check:
    last = count - 1
    found = routes.find("order.paid", lambda: _event(last))
    return Check(f"of {count:,} exactly the right one is found", len(found) == 1, f"{len(found)} found")
