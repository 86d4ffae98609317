"""Metrics gather in memory, and reach Prometheus in batches: none is lost, none is counted twice."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from tests.metrics import metric
from tests.threads import in_threads
from tests.waiting import wait_until
from webhooks.kit.metrics.gathered import GatheredCounter, GatheredHistogram


def new_name() -> str:
    return f"test_{uuid4().hex}"


def test_counter_adds_by_label() -> None:
    name = new_name()
    counter = GatheredCounter(f"{name}_total", "Test.", ["kind"])
    for number, kind in ((1, "a"), (2, "b"), (3, "a")):
        counter.add(number, kind)
    assert (metric(f"{name}_total", kind="a"), metric(f"{name}_total", kind="b")) == (4, 2)


def test_series_of_a_counter_exist_before_the_first_increment() -> None:
    name = new_name()
    counter = GatheredCounter(f"{name}_total", "Test.", ["kind"], series=[("a",), ("b",)])
    counter.flush()
    (family,) = counter._counter.collect()
    assert {it.labels["kind"]: it.value for it in family.samples if it.name.endswith("_total")} == {"a": 0, "b": 0}


def test_counter_that_adds_nothing_makes_no_series() -> None:
    name = new_name()
    counter = GatheredCounter(f"{name}_total", "Test.", ["kind"])
    counter.add(0, "a")
    counter.flush()
    assert next(iter(counter._counter.collect())).samples == []


def test_histogram_counts_each_value_in_the_first_bucket_that_takes_it() -> None:
    name = new_name()
    histogram = GatheredHistogram(f"{name}_seconds", "Test.", bounds=(1, 2, 5))
    histogram.observe_all([0.5, 1, 1.5, 5, 7])
    histogram.observe(2)
    found = {le: metric(f"{name}_seconds_bucket", le=le) for le in ("1.0", "2.0", "5.0", "+Inf")}
    assert found == {"1.0": 2, "2.0": 4, "5.0": 5, "+Inf": 6}
    assert (metric(f"{name}_seconds_count"), metric(f"{name}_seconds_sum")) == (6, 17)


def test_threads_that_count_while_others_flush_lose_nothing() -> None:
    name = new_name()
    counter = GatheredCounter(f"{name}_total", "Test.")

    def work() -> None:
        for _ in range(2_000):
            counter.add(1)
        metric(f"{name}_total")

    in_threads(work, work, work, work)
    assert metric(f"{name}_total") == 8_000


def test_what_has_gathered_reaches_prometheus_without_a_scrape() -> None:
    name = new_name()
    counter = GatheredCounter(f"{name}_total", "Test.")
    counter.add(3)
    wait_until(lambda: counter._counter._value.get() == 3, "the thread that flushes")
    assert any(thread.name == "metrics" for thread in threading.enumerate())


FORKING = """
import os, sys, time
from webhooks.kit.metrics.gathered import GatheredCounter, flush_metrics
counter = GatheredCounter("test_forked_total", "Test.")
counter.add(5)
if child := os.fork():
    os.waitpid(child, 0)
else:
    counter.add(2)
    flush_metrics()
    os._exit(0)
"""


def counted_in(folder: Path) -> dict[str, float]:
    """Return the counters of all processes that shared a folder."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_fork_counts_only_its_own_and_an_ending_process_flushes(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", FORKING], env=environment, timeout=120, check=False)
    assert done.returncode == 0
    assert counted_in(tmp_path) == {"test_forked_total": 7}


KILLED = """
import sys, time
from webhooks.kit.metrics.gathered import GatheredCounter
counter = GatheredCounter("test_killed_total", "Test.")
counter.add(5)
while not counter._counter._value.get():
    time.sleep(0.01)
print("flushed", flush=True)
time.sleep(600)
"""


def test_killed_process_leaves_what_it_has_flushed(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", KILLED], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"flushed\n"
        process.send_signal(signal.SIGKILL)
    assert counted_in(tmp_path) == {"test_killed_total": 5}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_empty_batch_of_a_histogram_makes_no_difference(count: int) -> None:
    name = new_name()
    histogram = GatheredHistogram(f"{name}_seconds", "Test.")
    histogram.observe_all([])
    histogram.observe_all([1.0] * count)
    assert metric(f"{name}_seconds_count") == count
