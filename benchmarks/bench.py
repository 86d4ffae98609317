"""What every row works with: the stand, the sink, the generator, and the few moves that rows have in common."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks import copies, frames
from benchmarks.figures import Check, Row
from benchmarks.flames import Flames
from benchmarks.instruments import Answered, Arrival, Instruments, Load, Sink, Start
from benchmarks.meter import Meter
from benchmarks.sizes import Sizes
from benchmarks.stand import Stand
from benchmarks.statements import StatementLog

__all__ = ["BATCH", "SIZE", "STUCK_AFTER", "Bench", "Stuck", "all_answered", "arrival_rate"]

SIZE = 1024  # bytes of an event, envelope included
BATCH = 100  # events in one request
LOOK_EVERY = 0.05  # seconds
LOOK_SHARE, LOOK_SELDOM = 0.05, 1.0  # of the time may go into looking at the tables; seconds between looks at most
STUCK_AFTER = 90.0  # seconds without anything happening
OWED = """SELECT (SELECT count(*) FROM delivery_delivery WHERE state = 'pending')
     + (SELECT count(*) FROM delivery_delivery WHERE state = 'sending')"""  # each has an index of its own
MADE = "SELECT count(*) FROM delivery_attempt"

Progress = Callable[[str, float, float], None]
"""What is being done, how much of it is done, how much there is."""


class Stuck(Exception):
    """What was waited for does not come; the message says how far it got."""


@dataclass
class Bench:
    """``kept`` is what rows leave for later rows; ``flames`` is there if the run is a profile."""

    stand: Stand
    sink: Sink
    instruments: Instruments
    log: StatementLog
    sizes: Sizes
    progress: Progress
    start: Start
    flames: Flames | None = None
    kept: dict[str, Row] = field(default_factory=dict)
    _loads: list[Load] = field(default_factory=list)

    def begin(self, row: str) -> None:
        if self.flames:
            self.flames.enter(row)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Nothing is under way, nothing is left of earlier rows, and the sink answers as its paths say."""
        for load in self._loads:
            load.stop()
        self._loads.clear()
        self.sink.heal(False)
        self.stand.begin_anew()

    def size(self, quick: int, full: int) -> int:
        return self.sizes.of(quick, full)

    # Setting up

    def endpoints(self, count: int, *, kind: str = "o", first: int = 0, **fields: Any) -> None:
        """Endpoints at the sink, each subscribed to a type of its own and to ``bench.all``.

        The first is made over REST; the others are copies of its rows, because ten thousand of them would be minutes.
        """
        lanes = range(first, first + count)
        uids, urls = [f"lane{lane}" for lane in lanes], [self.sink.url(lane, kind) for lane in lanes]
        types = [frames.event_type(lane) for lane in lanes]
        self.stand.api("POST", "endpoints/", {"uid": uids[0], "url": urls[0], **fields})
        self.stand.api("POST", "subscriptions/", {"endpoint": uids[0], "event_types": [types[0], "bench.all"]})
        self.stand.sql(copies.ENDPOINTS, uids[1:], urls[1:], types[1:], uids[0])

    # Running

    def load(self, built: list[bytes], *, port: int | None = None, **how: Any) -> Load:
        """Requests to the platform, or to what listens at ``port``. It ends with the row at the latest."""
        self._loads.append(self.instruments.start_load(port or self.stand.port, built, **how))
        return self._loads[-1]

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
        """Wait until the generator is through. Raises Stuck if nothing is answered any more."""
        seen, moved_at = -1, time.monotonic()
        while not load.is_over:
            if (now := load.count) != seen:
                seen, moved_at = now, time.monotonic()
            if time.monotonic() - moved_at > STUCK_AFTER:
                raise Stuck(f"{what}: {now} answered, then no more: {self.stand.last_words()}")
            self.progress(what, now, total or max(now, 1))
            time.sleep(LOOK_EVERY)
        return load

    def meter(self, *, memory_every: float = 1.0, **extra: int) -> Meter:
        """``extra``: further roots of process trees, by program; ``memory_every`` in seconds."""
        return Meter(self.stand, self.log, extra, memory_every, self.flames)

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
        asked = moved_at = time.monotonic()
        seen = most = owed = self.stand.number(OWED)
        while owed:
            if asked - moved_at > STUCK_AFTER:
                raise Stuck(f"{owed} deliveries are still owed: {self.stand.last_words()}")
            self.progress("settling", most - owed, most)
            time.sleep(min(LOOK_SELDOM, max(LOOK_EVERY, (time.monotonic() - asked) / LOOK_SHARE)))
            asked = time.monotonic()
            owed = self.stand.number(OWED)
            if owed != seen:
                seen, most, moved_at = owed, max(most, owed), asked

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
