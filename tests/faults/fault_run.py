"""Run one fault on one platform: publish, inject the fault at a random moment, repair it, wait for all work, check.

All randomness comes from the seed and the fault's name, so a failure can be repeated.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import nan

from tests.faults.checker import Report, check, expected_deliveries, unfinished_work
from tests.faults.injectors import Fault, FaultTarget
from tests.faults.injectors.fault import FAKED_CLOCK
from tests.faults.proxy import Proxy
from tests.faults.publisher import COSTLY, Publisher, PublishLog
from tests.faults.running_platform import Platform
from tests.faults.sink import RecordedRequest, Sink
from tests.faults.topic import STATES, Topic, check_topic
from tests.waiting import wait_until
from webhooks.wire.signing.keys import new_secret

ENDPOINTS = ("recovered_after", "second", "proxied")
IN_FLIGHT = 8  # per endpoint at most
REPEATED = 2 * IN_FLIGHT  # per endpoint at most, after a crash: in flight, or ended and not settled
ENDPOINT_SETTINGS = {
    "timeout_ms": 4_000,  # long enough for a machine that runs several platforms
    "max_in_flight": IN_FLIGHT,
    "retry_plan": [1, 1, 1, 1, 1, 2, 2, 2, 2, 2],  # seconds; longer in sum than every outage here
}
COSTLY_PATTERN = {"data": {"numbers": [{"numeric": [">", 10_000]}]}}
BEFORE, AFTER = 2.0, 2.0  # seconds of publishing before (at most) and after the fault
DRAIN_IDLE_END = 5.0  # seconds until an idle drain has ended


@dataclass(frozen=True)
class FaultResult:
    """The outcome of a fault.

    ``deferred``: how many of the accepted events a worker routed. ``copies_allowed``: copies that the fault can cause.
    ``recovered_after``: seconds from the repair until every endpoint received a request. ``publish_p99``: the 99th
    percentile of publishing in the meantime, in seconds.
    """

    fault: str
    seed: int
    accepted: int
    deferred: int
    report: Report
    copies_allowed: int
    recovered_after: float
    publish_p99: float


@dataclass(frozen=True)
class FaultRunner:
    """Run faults on one platform."""

    platform: Platform
    sink: Sink
    proxy: Proxy
    topic: Topic

    def run(self, fault: Fault, seed: int) -> FaultResult:
        """Run a fault with a seed. Raises AssertionError if work is left over, or nothing is delivered afterwards."""
        name = f"{seed}-{''.join(letter for letter in fault.name if letter.isalnum())}"
        skipped, cuts, ends = len(self.sink.requests()), self.proxy.cuts, self.topic.ends()
        log, injected, repaired = self._publish_through(fault, name, random.Random(f"{seed} {fault.name}"))
        self._wait_until_settled()
        requests = self.sink.requests()[skipped:]
        copies_allowed = fault.cut_drains * REPEATED * len(ENDPOINTS) + self.proxy.cuts - cuts
        report = check(log, requests, expected_deliveries(self.platform, name), copies_allowed)
        states: dict[str, str | None] = dict(self.platform.sql(STATES.format(name=name)))  # type: ignore[arg-type]
        found, is_ordered = self.topic.records(ends), fault.platform_kind != FAKED_CLOCK
        report.violations.extend(check_topic(log, found, states, fault.cut_drains * REPEATED, is_ordered=is_ordered))
        during = [it for it in log.requests if it.at + it.seconds >= injected and it.at <= repaired + AFTER]
        if fault.required_status is not None:
            report.violations.extend(
                f"publishing must not fail: {it}" for it in during if it.status != fault.required_status
            )
        self._publish_once_more()
        return FaultResult(
            fault=fault.name,
            seed=seed,
            accepted=len(log.accepted),
            deferred=log.deferred,
            report=report,
            copies_allowed=copies_allowed,
            recovered_after=all_served_since(requests, repaired) - repaired,
            publish_p99=percentile([it.seconds for it in during], 0.99),
        )

    def _publish_through(self, fault: Fault, name: str, chance: random.Random) -> tuple[PublishLog, float, float]:
        """Return the publisher's log, and when the fault began and was repaired (Unix seconds)."""
        path = self.platform.data / f"accepted-{name}"
        with Publisher(self.platform.port, self.platform.api_key, name, path) as publisher:
            time.sleep(chance.uniform(0.5, BEFORE))
            injected = time.time()
            with fault.inject(FaultTarget(self.platform, self.proxy, chance)):
                time.sleep(fault.seconds)
            repaired = time.time()
            time.sleep(AFTER)
        return publisher.log, injected, repaired

    def _wait_until_settled(self) -> None:
        wait_until(
            lambda: not unfinished_work(self.platform),
            lambda: f"all work to be done; {unfinished_work(self.platform)}",
            every=0.25,
        )

    def _publish_once_more(self) -> None:
        """Publish after every drain has ended, so that a new drain must start: one that survived proves nothing."""
        time.sleep(DRAIN_IDLE_END)
        before = self.sink.last_at
        wait_until(self._is_accepted, "the event to be accepted")
        wait_until(lambda: self.sink.last_at > before, "a drain to begin")
        self._wait_until_settled()

    def _is_accepted(self) -> bool:
        """Publish an event; return False if the web process is not ready."""
        with suppress(OSError):
            self.platform.post("events", type="fault.repaired", data=1)
            return True
        return False


@contextmanager
def fault_runner(platform: Platform) -> Iterator[FaultRunner]:
    """Create four endpoints with subscriptions to all events: three at a sink, one through the proxy, and a topic."""
    with Sink(platform.data / "received") as sink, Proxy(sink.port) as proxy:
        for name in ENDPOINTS:
            port = proxy.port if name == "proxied" else sink.port
            sink.secrets[f"/{name}"] = secret = new_secret()
            endpoint = platform.post(
                "endpoints", url=f"http://127.0.0.1:{port}/{name}", secret=secret, **ENDPOINT_SETTINGS
            )
            platform.post("subscriptions", endpoint=endpoint["id"], event_types=["*"])
            platform.post("subscriptions", endpoint=endpoint["id"], event_types=[COSTLY], pattern=COSTLY_PATTERN)
        topic = Topic()
        subscriptions = [{"event_types": ["fault.injected"]}]
        platform.post("endpoints", **topic.endpoint, **ENDPOINT_SETTINGS, subscriptions=subscriptions)
        yield FaultRunner(platform, sink, proxy, topic)


def all_served_since(requests: list[RecordedRequest], since: float) -> float:
    """Return when the last of the endpoints received its recovered_after request after this moment."""
    return max(
        min((it.at for it in requests if it.at >= since and it.path == f"/{name}"), default=nan) for name in ENDPOINTS
    )


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else nan
