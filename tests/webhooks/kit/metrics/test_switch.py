"""A process whose metrics are switched off counts nothing, starts no thread and writes no file for Prometheus."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SWITCHED = """
import threading
import django
django.setup()
from django.db import connection
from prometheus_client import REGISTRY
from config.metrics.statement_errors import connect_signals
from delivery import metrics
from delivery.sending.attempt_metrics import count_attempts
from webhooks.kit.metrics.gathered import GatheredCounter, GatheredHistogram, flush_metrics
from webhooks.metrics import count_request

def never():
    raise AssertionError("attempts were counted")
    yield

GatheredCounter("test_counter_total", "Test.", ["kind"], series=[("a",)]).add(1, "a")
GatheredCounter("test_counter_total", "Test.").add(1)
histogram = GatheredHistogram("test_seconds", "Test.", bounds=(1, 2))
histogram.observe(1.0)
histogram.observe_all([1.0, 2.0])
metrics.published(3, 1, {"invalid": 2})
metrics.schedules_settled(1, 1, [0.5])
count_request("standard", 202, 0.1)
count_attempts(never())
flush_metrics()
print(sum(name.startswith(("waypost_", "test_")) for name in REGISTRY._names_to_collectors))
print(sum(thread.name == "metrics" for thread in threading.enumerate()))
"""


def switched(value: str, folder: Path, code: str = SWITCHED) -> "subprocess.CompletedProcess[str]":
    """Run code in a process with this value of the setting, whose counters are kept in a folder."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder), "WAYPOST_METRICS": value}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def test_process_without_metrics_registers_none_starts_no_thread_and_writes_no_file(tmp_path: Path) -> None:
    done = switched("no", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "0"]
    assert list(tmp_path.iterdir()) == []


COUNTED = """
import django
django.setup()
from webhooks.metrics import count_request
count_request("standard", 202, 0.1)
"""


@pytest.mark.parametrize(("value", "writes"), [("yes", True), ("no", False)])
def test_files_are_written_only_where_the_metrics_are_on(value: str, writes: bool, tmp_path: Path) -> None:
    done = switched(value, tmp_path, COUNTED)
    assert done.returncode == 0, done.stderr
    assert bool(list(tmp_path.glob("*.db"))) == writes


ERRORS = """
import django
django.setup()
from django.db import connection
from webhooks.kit.metrics.database_errors import counting_errors
with connection.cursor() as cursor:
    cursor.execute("SELECT 1")
print(counting_errors in connection.execute_wrappers)
"""


@pytest.mark.parametrize(("value", "wraps"), [("yes", "True"), ("no", "False")])
def test_statements_are_wrapped_only_where_the_metrics_are_on(value: str, wraps: str, tmp_path: Path) -> None:
    done = switched(value, tmp_path, ERRORS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == wraps


def test_value_that_is_no_boolean_is_refused_by_name(tmp_path: Path) -> None:
    done = switched("sometimes", tmp_path, "from django.conf import settings; settings.DEBUG")
    assert done.returncode == 1
    assert "WAYPOST_METRICS must be true or false" in done.stderr
