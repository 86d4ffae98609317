"""Gather counts in memory, and add them to the metrics of Prometheus once a second.

A metric that all processes of a machine share is a memory-mapped file, and adding to it costs some microseconds for
each counter and bucket: too much for code that runs for every event or delivery. So code appends to a list in memory
(a tenth of a microsecond), and one thread of the process adds what has gathered, in one step for each series. While
nothing is counted, the thread sleeps.

Where the setting WAYPOST_METRICS is off, both classes make objects that do nothing: no metric is registered with
Prometheus, no thread runs, and no file is written.

Failure: what a process has counted within its last second is lost if it is killed.
"""

import atexit
import os
import threading
import time
from bisect import bisect_left
from collections import Counter as Multiset
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Protocol

import prometheus_client

from webhooks.kit.metrics.switch import ARE_ON

FLUSH_EVERY = 1.0  # seconds
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600)
"""Bounds of histograms of durations. 5 s is the bound of the service level (docs/reference/metrics.md)."""
BYTES = (256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216)
"""Bounds of histograms of sizes in bytes."""
ITEMS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
"""Bounds of histograms of the number of items that were handled at once."""

Labels = tuple[str, ...]


class _Gathered(Protocol):
    """Describe a metric that gathers in memory."""

    def flush(self) -> None:
        """Add what has gathered to the metric of Prometheus."""

    def forget(self) -> None:
        """Forget what has gathered."""


class _Flushing:
    """Flush the metrics of this process once a second, as long as something gathers."""

    def __init__(self) -> None:
        self._metrics: list[_Gathered] = []
        self._begin()
        os.register_at_fork(after_in_child=self._after_fork)
        atexit.register(self.flush)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._has_gathered = threading.Event()
        self._has_thread = False

    def _after_fork(self) -> None:
        """Begin anew in a forked process: its parent flushes what had gathered, and threads do not survive a fork."""
        self._begin()
        for metric in self._metrics:
            metric.forget()

    def register(self, metric: _Gathered) -> None:
        """Add a metric to those that the thread flushes."""
        self._metrics.append(metric)

    def wake(self) -> None:
        """Have the thread flush within a second. Call after something was gathered."""
        if not self._has_gathered.is_set():
            self._has_gathered.set()
            if not self._has_thread:
                self._start_thread()

    def flush(self) -> None:
        """Flush all metrics now, in the thread that calls."""
        with self._lock:
            for metric in self._metrics:
                metric.flush()

    def _start_thread(self) -> None:
        with self._lock:
            if self._has_thread:
                return
            try:
                threading.Thread(target=self._flush_regularly, name="metrics", daemon=True).start()
            except RuntimeError:  # no thread is available, or the process is ending
                self._has_gathered.clear()
                return
            self._has_thread = True

    def _flush_regularly(self) -> None:
        while True:
            self._has_gathered.wait()
            time.sleep(FLUSH_EVERY)
            self._has_gathered.clear()
            self.flush()


_flushing = _Flushing()
flush_metrics = _flushing.flush


class GatheredCounter:
    """Count in memory. ``labels``: the names of the labels.

    ``series``: values of the labels that exist from the start, with zero. Prometheus does not see the first increment
    of a series that begins with it.
    """

    def __new__(cls, *_definition: Any, **_options: Any) -> "GatheredCounter":
        """Return a counter that does nothing where the metrics are switched off."""
        return object.__new__(cls if ARE_ON else _IdleCounter)

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = (), *, series: Iterable[Labels] = ()) -> None:
        self._counter = prometheus_client.Counter(name, help_text, labels)
        self._gathered: deque[tuple[Labels, float]] = deque()
        for values in series:
            self._counter.labels(*values)
        _flushing.register(self)

    def add(self, number: float, *labels: str) -> None:
        """Add a number to the series with these values of the labels. Returns at once."""
        if number:
            self._gathered.append((labels, number))
            _flushing.wake()

    def flush(self) -> None:
        """Add what has gathered to the metric of Prometheus."""
        sums: dict[Labels, float] = {}
        while self._gathered:
            labels, number = self._gathered.popleft()
            sums[labels] = sums.get(labels, 0.0) + number
        for labels, number in sums.items():
            (self._counter.labels(*labels) if labels else self._counter).inc(number)

    def forget(self) -> None:
        """Forget what has gathered."""
        self._gathered = deque()


class _IdleCounter(GatheredCounter):
    """A counter of a process whose metrics are switched off."""

    def __init__(self, *_definition: Any, **_options: Any) -> None:
        """Register nothing with Prometheus."""

    def add(self, number: float, *labels: str) -> None:
        """Ignore the number."""


class _BatchHistogram(prometheus_client.Histogram):
    """A histogram that observes many values in one step for each bucket."""

    def observe_all(self, values: Sequence[float]) -> None:
        """Observe these values."""
        places = Multiset(map(partial(bisect_left, self._upper_bounds), values))
        for place, count in places.items():
            self._buckets[place].inc(count)
        self._sum.inc(sum(values))


class GatheredHistogram:
    """Observe values in memory. ``bounds``: the upper bounds of the buckets; for the others see GatheredCounter."""

    def __new__(cls, *_definition: Any, **_options: Any) -> "GatheredHistogram":
        """Return a histogram that does nothing where the metrics are switched off."""
        return object.__new__(cls if ARE_ON else _IdleHistogram)

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str] = (),
        *,
        bounds: Sequence[float] = SECONDS,
        series: Iterable[Labels] = (),
    ) -> None:
        self._histogram = _BatchHistogram(name, help_text, labels, buckets=bounds)
        self._gathered: deque[tuple[Labels, Sequence[float]]] = deque()
        for values in series:
            self._histogram.labels(*values)
        _flushing.register(self)

    def observe(self, value: float, *labels: str) -> None:
        """Observe one value in the series with these values of the labels. Returns at once."""
        self.observe_all((value,), *labels)

    def observe_all(self, values: Sequence[float], *labels: str) -> None:
        """Observe these values, which must not change afterwards. Returns at once."""
        if values:
            self._gathered.append((labels, values))
            _flushing.wake()

    def flush(self) -> None:
        """Add what has gathered to the metric of Prometheus."""
        gathered: dict[Labels, list[float]] = {}
        while self._gathered:
            labels, values = self._gathered.popleft()
            gathered.setdefault(labels, []).extend(values)
        for labels, found in gathered.items():
            histogram = self._histogram.labels(*labels) if labels else self._histogram
            histogram.observe_all(found)

    def forget(self) -> None:
        """Forget what has gathered."""
        self._gathered = deque()


class _IdleHistogram(GatheredHistogram):
    """A histogram of a process whose metrics are switched off."""

    def __init__(self, *_definition: Any, **_options: Any) -> None:
        """Register nothing with Prometheus."""

    def observe_all(self, values: Sequence[float], *labels: str) -> None:
        """Ignore the values."""
