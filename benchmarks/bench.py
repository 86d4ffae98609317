"""What every row works with: the stand, the sink, the generator, and the few moves that rows have in common."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks import frames
from benchmarks.figures import Check, Row
from benchmarks.instruments import Answered, Arrival, Instruments, Load, Sink
from benchmarks.meter import Meter
from benchmarks.stand import Stand
from benchmarks.statements import StatementLog

__all__ = ["BATCH", "SIZE", "STUCK_AFTER", "Bench", "Stuck", "all_answered", "arrival_rate"]

SIZE = 1024  # bytes of an event, envelope included
BATCH = 100  # events in one request
LOOK_EVERY = 0.05  # seconds
STUCK_AFTER = 90.0  # seconds without anything happening
OWED = "SELECT count(*) FROM delivery_delivery WHERE state IN ('pending', 'sending')"
MADE = "SELECT count(*) FROM delivery_attempt"

Progress = Callable[[str, float, float], None]
"""What is being done, how much of it is done, how much there is."""


class Stuck(Exception):
    """What was waited for does not come; the message says how far it got."""


@dataclass
class Bench:
    """``quick``: small sizes, for under two minutes altogether. ``kept`` is what rows leave for later rows."""

    stand: Stand
    sink: Sink
    instruments: Instruments
    log: StatementLog
    quick: bool
    progress: Progress
    kept: dict[str, Row] = field(default_factory=dict)

    def size(self, quick: int, full: int) -> int:
        return quick if self.quick else full

    # Setting up

    def endpoints(self, count: int, *, kind: str = "o", first: int = 0, **fields: Any) -> None:
        """Endpoints at the sink, each subscribed to a type of its own and to ``bench.all``."""
        lanes = range(first, first + count)
        made = [{"uid": f"lane{lane}", "url": self.sink.url(lane, kind), **fields} for lane in lanes]
        self.call("POST", "endpoints/", made)
        wanted = [{"endpoint": f"lane{lane}", "event_types": [frames.event_type(lane), "bench.all"]} for lane in lanes]
        self.call("POST", "subscriptions/", wanted)

    def call(self, method: str, path: str, contents: Iterable[Any]) -> None:
        """One REST call for each; raises RuntimeError unless all are answered 2xx."""
        built = [frames.plain(method, path, self.stand.credentials, content) for content in contents]
        answers = self.run(self.load(built, count=len(built), connections=4), "setting up").answers()
        bad = [one.status for one in answers if not 200 <= one.status < 300]
        if bad:
            raise RuntimeError(f"{method} {path}: {len(bad)} of {len(answers)} answered {set(bad)}")

    # Running

    def load(self, built: list[bytes], **how: Any) -> Load:
        return self.instruments.start_load(self.stand.port, built, **how)

    def batches(self, names: list[str], size: int = SIZE) -> list[bytes]:
        """Requests that publish one event of each type, ``BATCH`` at a time."""
        parts = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
        return [frames.batch(self.stand.credentials, part, size) for part in parts]

    def in_batches(self, names: list[str]) -> list[str]:
        """The same types in the same proportion, as many as fill whole batches."""
        return names * (math.lcm(len(names), BATCH) // len(names))

    def publish(self, names: list[str], count: int, size: int = SIZE) -> list[Answered]:
        """``count`` events of these types in turn, in batches, as fast as they are taken."""
        load = self.load(self.batches(self.in_batches(names), size), count=count // BATCH, connections=4)
        return self.run(load, "publishing").answers()

    def run(self, load: Load, what: str, total: int | None = None) -> Load:
        """Wait until the generator is through."""
        while not load.is_over:
            self.progress(what, load.count, total or max(load.count, 1))
            time.sleep(LOOK_EVERY)
        return load

    def meter(self, *, memory_every: float = 1.0, **extra: int) -> Meter:
        """``extra``: further roots of process trees, by program; ``memory_every`` in seconds."""
        return Meter(self.stand, self.log, extra, memory_every)

    def await_arrivals(self, since: int, count: int) -> None:
        """Until so many have arrived since the sink had ``since``. Raises Stuck."""
        seen, moved_at = -1, time.monotonic()
        while (now := self.sink.count - since) < count:
            if now != seen:
                seen, moved_at = now, time.monotonic()
            if time.monotonic() - moved_at > STUCK_AFTER:
                raise Stuck(f"{now} of {count} arrived: {self.stand.last_words()}")
            self.progress("delivering", now, count)
            time.sleep(LOOK_EVERY)

    def await_settled(self) -> None:
        """Until nothing is owed. Raises Stuck."""
        until = time.monotonic() + STUCK_AFTER
        while owed := self.stand.number(OWED):
            if time.monotonic() > until:
                raise Stuck(f"{owed} deliveries are still owed")
            self.progress("settling", 0, 1)
            time.sleep(LOOK_EVERY)

    # Checking

    def checks(self, since: int, expected: int) -> list[Check]:
        """The sink and the tables tell the same story, and it is over."""
        arrived, made, owed = self.sink.count - since, self.stand.number(MADE), self.stand.number(OWED)
        return [
            Check("every delivery arrived once", arrived == expected, f"{arrived} of {expected}"),
            Check("the sink's count agrees with the recorded attempts", arrived == made, f"{arrived} and {made}"),
            Check("nothing is owed at the end", owed == 0, f"{owed} owed"),
            Check("the sink recorded everything", self.sink.refused == 0, f"{self.sink.refused} without room"),
        ]


def all_answered(answers: list[Answered], status: int = 202) -> Check:
    good = sum(one.status == status for one in answers)
    return Check(f"every request was answered {status}", good == len(answers), f"{good} of {len(answers)}")


def arrival_rate(arrivals: list[Arrival]) -> float:
    """Per second, from the first to the last."""
    if len(arrivals) < 2:
        return 0.0
    moments = [one.arrived for one in arrivals]
    return (len(moments) - 1) * 1e9 / max(1, max(moments) - min(moments))
