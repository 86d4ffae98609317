"""Operations that rows share: set endpoints up, send requests, wait, and check what happened."""

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.deployment import Deployment
from benchmarks.meter import Meter
from benchmarks.result import Check, Cost, Latency, latency
from benchmarks.system import System
from benchmarks.wire.programs import Arrival, BatchSink, LoadGenerator, Response, Sink, Start

SIZE = 1024  # bytes of an event, envelope included
BATCH = 100  # events in one request
ENDPOINTS = 100  # of most rows
USUAL_PART = 10  # the usual way is measured with a tenth of the deliveries: it is that much slower, at least
LOOK_EVERY = 0.05  # seconds
LOOK_PAUSE = 20  # times as long as a look takes is the pause before the next, so that looking costs little
STUCK_AFTER = 90.0  # seconds without any change


class StuckError(Exception):
    """Nothing changes any more; the message says what was waited for."""


class Stretch(NamedTuple):
    """A measured stretch of publishing and delivering."""

    responses: list[Response]
    arrivals: list[Arrival]
    cost: Cost
    checks: list[Check]


class Bench:
    """A system under test, the sink and the load generator, as each row uses them."""

    def __init__(
        self, directory: Path, start: Start, sink: Sink, launch: Callable[[Path], System], quick: bool = False
    ) -> None:
        """Use these; `launch` starts a system in a directory. `quick` selects the small sizes."""
        self.sink = sink
        self._directory, self._start, self._launch, self._quick = directory, start, launch, quick
        self._generator = LoadGenerator(directory, start)

    @cached_property
    def system(self) -> System:
        """Return the system that rows share; the first use starts it."""
        return self._launch(self.new_directory())

    @property
    def deployment(self) -> Deployment:
        """Return the system of a row that measures only this product."""
        assert isinstance(self.system, Deployment)
        return self.system

    def empty(self) -> None:
        """Delete what earlier rows left."""
        if "system" in vars(self):
            self.system.empty()

    @contextmanager
    def fresh_system(self) -> Iterator[System]:
        """Start a further system on files of its own, and remove it in the end."""
        made = self._launch(self.new_directory())
        try:
            yield made
        finally:
            made.discard()

    def closed_sink(self) -> Sink:
        """Return a further sink that refuses connections until it comes up."""
        return Sink(self._directory, self._start, name=f"arrivals-{time.time_ns()}", down=True)

    def at_batch_sink(self) -> "tuple[Bench, BatchSink]":
        """Return this bench with a further sink, for requests with many messages; both have the same system."""
        sink = BatchSink(self._directory, self._start, name=f"messages-{time.time_ns()}")
        _ = self.system
        made = copy(self)
        made.sink = sink
        return made, sink

    def server_version(self) -> str:
        """Return the version of PostgreSQL; empty if no row has used the shared system."""
        return str(self.system.sql("SHOW server_version")[0][0]) if "system" in vars(self) else ""

    def size(self, quick: int, full: int) -> int:
        """Return the size for this run."""
        return quick if self._quick else full

    def count(self, quick: int, full: int) -> int:
        """Return the number of deliveries for this run and this system."""
        return self.size(quick, full) // (USUAL_PART if self.system.is_usual else 1)

    def create_endpoints(
        self, count: int, *, first: int = 0, kind: str = "o", sink: Sink | None = None, **fields: Any
    ) -> None:
        """Create endpoints at the sink, each with a subscription to its own type and to `bench.all`."""
        lanes = range(first, first + count)
        urls = [(sink or self.sink).url(lane, kind) for lane in lanes]
        self.system.create_endpoints([f"lane{lane}" for lane in lanes], urls, event_types(count, first), **fields)

    def batches(self, event_types: list[str]) -> list[bytes]:
        """Return requests that publish events of these types in turn, `BATCH` at a time."""
        types = event_types * (math.lcm(len(event_types), BATCH) // len(event_types))
        parts = [types[start : start + BATCH] for start in range(0, len(types), BATCH)]
        return [self.system.publish_request(part, SIZE) for part in parts]

    def singles(self, event_types: list[str], size: int = SIZE) -> list[bytes]:
        """Return requests that publish one event each."""
        return [self.system.publish_request([each], size) for each in event_types]

    def send(
        self, requests: list[bytes], count: int = 0, *, rate: float = 0.0, connections: int = 4, port: int = 0
    ) -> list[Response]:
        """Send `count` requests (default: each once), these in turn, and return the responses."""
        count, port = count or len(requests), port or self.system.port
        return self._generator.send(port, requests, count=count, rate=rate, connections=connections)

    def publish(self, requests: list[bytes], count: int, deliveries: int, **options: Any) -> Stretch:
        """Send requests and wait for all deliveries, with a meter beside."""
        since = self.sink.count
        with self.meter() as meter:
            responses = self.send(requests, count, **options)
            self.await_delivered(since, deliveries)
        return self._stretch(since, deliveries, responses, meter)

    def drain(self, types: list[str], deliveries: int) -> Stretch:
        """Publish events of these types in turn while none is sent; then send all, with a meter beside."""
        self.system.suspend()
        responses = self.send(self.batches(types), deliveries // BATCH)
        since = self.sink.count
        with self.meter() as meter:
            self.system.resume()
            self.await_delivered(since, deliveries)
        return self._stretch(since, deliveries, responses, meter)

    def _stretch(self, since: int, deliveries: int, responses: list[Response], meter: Meter) -> Stretch:
        checks = [all_have_status(responses), *self.checks(since, deliveries)]
        return Stretch(responses, self.sink.arrivals(since), meter.cost, checks)

    def warm_up(self, types: list[str]) -> None:
        """Publish and deliver an event of each type: connections are open and statements planned after it."""
        since = self.sink.count
        self.send(self.singles(types))
        self.await_delivered(since, len(types))

    def meter(self) -> Meter:
        """Return a meter of the system."""
        return Meter(self.system)

    def await_arrivals(self, since: int, count: int) -> None:
        """Wait until the sink has `count` arrivals more than `since`. Raises StuckError."""
        self.wait("arrivals", lambda: self.sink.count - since, lambda arrived: arrived >= count)

    def await_delivered(self, since: int, count: int) -> None:
        """Wait until the sink has `count` arrivals more than `since`, and no delivery is pending. Raises StuckError."""
        self.await_arrivals(since, count)
        self.await_settled()

    def await_settled(self) -> None:
        """Wait until no delivery is pending or being sent. Raises StuckError."""
        self.wait("pending deliveries", self.pending, lambda pending: pending == 0)

    def pending(self) -> int:
        """Return the number of deliveries that have not ended."""
        return self.system.number(self.system.PENDING)

    def wait(self, what: str, look: Callable[[], int], is_done: Callable[[int], bool]) -> None:
        """Wait until the figure is as it should be. Raises StuckError if it stops changing."""
        seen, changed_at = -1, time.monotonic()
        while True:
            began = time.monotonic()
            if is_done(figure := look()):
                return
            now = time.monotonic()
            if figure != seen:
                seen, changed_at = figure, now
            elif now - changed_at > STUCK_AFTER:
                raise StuckError(f"{what}: {figure}, and no change for {STUCK_AFTER:.0f} s")
            _pause(now - began)

    def checks(self, since: int, expected: int) -> list[Check]:
        """Check that the sink and the tables agree, and that nothing is left to do; tables were empty at `since`."""
        arrived, attempts = self.sink.count - since, self.system.number(self.system.ATTEMPTS)
        pending = self.pending()
        return [
            counted("every delivery arrived once", arrived, expected),
            Check("the sink's count agrees with the recorded attempts", arrived == attempts, f"{arrived}, {attempts}"),
            Check("nothing is pending at the end", pending == 0, f"{pending} pending"),
        ]

    def new_directory(self) -> Path:
        """Return a new directory for a system; it is removed with the run."""
        return Path(tempfile.mkdtemp(prefix="system-", dir=self._directory))


def holds_within(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until the condition holds, for at most `seconds`; return whether it does."""
    until = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if condition():
            return True
        if began >= until:
            return False
        _pause(time.monotonic() - began)


def _pause(look_seconds: float) -> None:
    """Wait before the next look at the system; the longer, the longer the last one took."""
    time.sleep(min(1.0, max(LOOK_EVERY, LOOK_PAUSE * look_seconds)))


def event_types(count: int, first: int = 0) -> list[str]:
    """Return the event types of `count` endpoints."""
    return [f"bench.lane{lane}" for lane in range(first, first + count)]


def counted(what: str, found: int, expected: int) -> Check:
    """Check a number of things."""
    return Check(what, found == expected, f"{found} of {expected}")


def all_have_status(responses: list[Response], status: int = 202) -> Check:
    """Check that every request was responded to with this status."""
    other = sorted({response.status for response in responses} - {status})
    return Check(f"every response is {status}", not other, f"also {other}")


def rate(arrivals: list[Arrival] | list[Response], since: int = 0) -> float:
    """Return arrivals or responses per second; since this moment (ns), or since the first."""
    moments = [one.arrived if isinstance(one, Arrival) else one.done for one in arrivals]
    return (len(moments) - (not since)) * 1e9 / max(1, max(moments) - (since or min(moments)))


def end_to_end_rate(stretch: Stretch) -> float:
    """Return arrivals per second since the first request was sent."""
    return rate(stretch.arrivals, first_request(stretch.responses))


def first_request(responses: list[Response]) -> int:
    """Return when the first request was sent (ns)."""
    return min(response.sent for response in responses)


def latency_of(records: list[Arrival] | list[Response]) -> Latency:
    """Return the percentiles from when each event or request was due."""
    return latency([record.milliseconds for record in records])
