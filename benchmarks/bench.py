"""Operations that rows share: set endpoints up, send requests, wait, and check what happened."""

import json
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.copies import ENDPOINTS
from benchmarks.deployment import Deployment
from benchmarks.meter import Meter
from benchmarks.result import Check, Cost, Latency, latency
from benchmarks.wire.messages import api_request, publish_batch
from benchmarks.wire.programs import Arrival, LoadGenerator, Response, Sink, Start

SIZE = 1024  # bytes of an event, envelope included
BATCH = 100  # events in one request
LOOK_EVERY = 0.05  # seconds
LOOK_PAUSE = 20  # times as long as a look takes is the pause before the next, so that looking costs little
STUCK_AFTER = 90.0  # seconds without any change
PENDING = """SELECT (SELECT count(*) FROM delivery_delivery WHERE state = 'pending')
     + (SELECT count(*) FROM delivery_delivery WHERE state = 'sending')"""  # each has an index of its own
ATTEMPTS = "SELECT count(*) FROM delivery_attempt"


class StuckError(Exception):
    """Nothing changes any more; the message says what was waited for."""


class Stretch(NamedTuple):
    """A measured stretch of publishing and delivering."""

    responses: list[Response]
    arrivals: list[Arrival]
    cost: Cost
    checks: list[Check]


class Bench:
    """The platform, the sink and the load generator, as each row uses them."""

    def __init__(self, deployment: Deployment, sink: Sink, generator: LoadGenerator, start: Start, quick: bool) -> None:
        """Use these; `quick` selects the small sizes."""
        self.deployment = deployment
        self.sink = sink
        self.start = start
        self._generator = generator
        self._quick = quick

    def size(self, quick: int, full: int) -> int:
        """Return the size for this run."""
        return quick if self._quick else full

    def create_endpoints(
        self, count: int, *, first: int = 0, kind: str = "o", api_key: str = "", **fields: Any
    ) -> None:
        """Create endpoints at the sink, each with a subscription to its own type and to `bench.all`; one over REST."""
        uids, types = [f"lane{lane}" for lane in range(first, first + count)], event_types(count, first)
        urls = [self.sink.url(lane, kind) for lane in range(first, first + count)]
        self.create("endpoints/", {"uid": uids[0], "url": urls[0], **fields}, api_key)
        self.create("subscriptions/", {"endpoint": uids[0], "event_types": [types[0], "bench.all"]}, api_key)
        self.deployment.sql(ENDPOINTS, uids[1:], urls[1:], types[1:], uids[0])

    def create(self, path: str, content: dict[str, Any], api_key: str = "") -> None:
        """Create a resource over REST. Raises RuntimeError if it is rejected."""
        key = api_key or self.deployment.api_key
        check = all_have_status(self.send([api_request(key, path, json.dumps(content).encode())]), 201)
        if not check.holds:
            raise RuntimeError(f"{path}: {check.what}, {check.found}")

    def batches(self, event_types: list[str]) -> list[bytes]:
        """Return requests that publish events of these types in turn, `BATCH` at a time."""
        types = event_types * (math.lcm(len(event_types), BATCH) // len(event_types))
        parts = [types[start : start + BATCH] for start in range(0, len(types), BATCH)]
        return [publish_batch(self.deployment.api_key, part, SIZE) for part in parts]

    def send(
        self, requests: list[bytes], count: int = 0, *, rate: float = 0.0, connections: int = 4, port: int = 0
    ) -> list[Response]:
        """Send `count` requests (default: each once), these in turn, and return the responses."""
        count, port = count or len(requests), port or self.deployment.port
        return self._generator.send(port, requests, count=count, rate=rate, connections=connections)

    def publish(self, requests: list[bytes], count: int, deliveries: int, **options: Any) -> Stretch:
        """Send requests and wait for all deliveries, with a meter beside."""
        since = self.sink.count
        with self.meter() as meter:
            responses = self.send(requests, count, **options)
            self.await_arrivals(since, deliveries)
            self.await_settled()
        checks = [all_have_status(responses), *self.checks(since, deliveries)]
        return Stretch(responses, self.sink.arrivals(since), meter.cost, checks)

    def meter(self, **extra: int) -> Meter:
        """Return a meter; `extra` are further process trees (program: id of the root)."""
        return Meter(self.deployment, extra)

    def await_arrivals(self, since: int, count: int) -> None:
        """Wait until the sink has `count` arrivals more than `since`. Raises StuckError."""
        self.wait("arrivals", lambda: self.sink.count - since, lambda arrived: arrived >= count)

    def await_settled(self) -> None:
        """Wait until no delivery is pending or being sent. Raises StuckError."""
        self.wait("pending deliveries", lambda: self.deployment.number(PENDING), lambda pending: pending == 0)

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
            time.sleep(min(1.0, max(LOOK_EVERY, LOOK_PAUSE * (now - began))))

    def checks(self, since: int, expected: int) -> list[Check]:
        """Check that the sink and the tables agree, and that nothing is left to do."""
        arrived, attempts = self.sink.count - since, self.deployment.number(ATTEMPTS)
        pending = self.deployment.number(PENDING)
        return [
            Check("every delivery arrived once", arrived == expected, f"{arrived} of {expected}"),
            Check("the sink's count agrees with the recorded attempts", arrived == attempts, f"{arrived}, {attempts}"),
            Check("nothing is pending at the end", pending == 0, f"{pending} pending"),
        ]


def event_types(count: int, first: int = 0) -> list[str]:
    """Return the event types of so many endpoints."""
    return [f"bench.lane{lane}" for lane in range(first, first + count)]


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
    return rate(stretch.arrivals, min(response.sent for response in stretch.responses))


def latency_of(records: list[Arrival] | list[Response]) -> Latency:
    """Return the percentiles from when each event or request was due."""
    return latency([record.milliseconds for record in records])
