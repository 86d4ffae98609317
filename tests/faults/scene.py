"""One fault in one house: publish, break something at a random moment, mend it, wait until all is quiet, check.

Everything left to chance comes from the seed and the fault's name, so a failure can be repeated.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import nan

from tests.faults.checker import Report, check, owed, unquiet
from tests.faults.house import House
from tests.faults.injectors import Fault, Victim
from tests.faults.proxy import Proxy
from tests.faults.publisher import Book, Publisher
from tests.faults.sink import Line, Sink
from tests.waiting import wait_until
from webhooks.wire.signing.standard_webhooks import new_secret

ENDPOINTS = ("first", "second", "proxied")
IN_FLIGHT = 8  # per endpoint at most
COUNT_ON = {
    "timeout_ms": 4_000,  # long enough that a machine with several houses on it is in time
    "max_in_flight": IN_FLIGHT,
    "retry_plan": [1, 1, 1, 1, 1, 2, 2, 2, 2, 2],  # seconds: every outage here is shorter than all of it
}
BEFORE, AFTER = 2.0, 2.0  # seconds of publishing around the fault, the first of them at most
GONE_HOME = 5.0  # seconds until a drain that finds nothing has ended


@dataclass(frozen=True)
class Result:
    """``allowed``: copies that the fault can cause; ``first``: seconds from the mending until every endpoint had got
    something again; ``slowest``: the p99 of publishing meanwhile, in seconds."""

    fault: str
    seed: int
    promised: int
    report: Report
    allowed: int
    first: float
    slowest: float


@dataclass(frozen=True)
class Scene:
    house: House
    sink: Sink
    proxy: Proxy

    def play(self, fault: Fault, seed: int) -> Result:
        """Raises AssertionError if it never becomes quiet, or nothing is delivered any more."""
        name = f"{seed}-{''.join(letter for letter in fault.name if letter.isalnum())}"
        behind, cuts = len(self.sink.lines()), self.proxy.cuts
        book, broken, mended = self._publish_through(fault, name, random.Random(f"{seed} {fault.name}"))
        self._wait_until_quiet()
        lines = self.sink.lines()[behind:]
        allowed = fault.cuts * IN_FLIGHT * len(ENDPOINTS) + self.proxy.cuts - cuts
        report = check(book, lines, owed(self.house, name), allowed)
        meanwhile = [it for it in book.asked if it.at + it.seconds >= broken and it.at <= mended + AFTER]
        if fault.always is not None:
            report.breaches.extend(f"publishing has to go on: {it}" for it in meanwhile if it.status != fault.always)
        self._publish_once_more()
        return Result(
            fault=fault.name,
            seed=seed,
            promised=len(book.promised),
            report=report,
            allowed=allowed,
            first=served_again(lines, mended) - mended,
            slowest=percentile([it.seconds for it in meanwhile], 0.99),
        )

    def _publish_through(self, fault: Fault, name: str, dice: random.Random) -> tuple[Book, float, float]:
        """What the publisher was told, and when it broke and was mended (unix seconds)."""
        with Publisher(self.house.port, self.house.api_key, name, self.house.data / f"promised-{name}") as publisher:
            time.sleep(dice.uniform(0.5, BEFORE))
            broken = time.time()
            with fault.strike(Victim(self.house, self.proxy, dice)):
                time.sleep(fault.seconds)
            mended = time.time()
            time.sleep(AFTER)
        return publisher.book, broken, mended

    def _wait_until_quiet(self) -> None:
        try:
            wait_until(lambda: not unquiet(self.house), "quiet", every=0.25)
        except AssertionError as error:
            raise AssertionError(f"{error}; {unquiet(self.house)}") from None

    def _publish_once_more(self) -> None:
        """Once every drain has gone home: a new one has to begin. A drain that outlived the fault proves nothing."""
        time.sleep(GONE_HOME)
        before = self.sink.last_at
        wait_until(self._is_taken, "the event to be taken")
        wait_until(lambda: self.sink.last_at > before, "a drain to begin")
        self._wait_until_quiet()

    def _is_taken(self) -> bool:
        """Not yet, if the web is still coming up."""
        with suppress(OSError):
            self.house.post("events", type="fault.mended", data=1)
            return True
        return False


@contextmanager
def scene(house: House) -> Iterator[Scene]:
    """A sink behind three endpoints of this house, one of them by way of the proxy; all want everything."""
    with Sink(house.data / "came") as sink, Proxy(sink.port) as proxy:
        for name in ENDPOINTS:
            port = proxy.port if name == "proxied" else sink.port
            sink.secrets[f"/{name}"] = secret = new_secret()
            made = house.post("endpoints", url=f"http://127.0.0.1:{port}/{name}", secret=secret, **COUNT_ON)
            house.post("subscriptions", endpoint=made["id"])
        yield Scene(house, sink, proxy)


def served_again(lines: list[Line], since: float) -> float:
    """When the last of the endpoints got its first request after this moment."""
    return max(
        min((it.at for it in lines if it.at >= since and it.path == f"/{name}"), default=nan) for name in ENDPOINTS
    )


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else nan
