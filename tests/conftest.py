"""Configure every test: no time limits, not even Hypothesis's own, since a busy machine is not a bug.

The suite may run as several processes, which have to collect the same tests under the same names. So names contain no
values that are generated during collection.
"""

import gc
import logging
import os
import re
import signal
from collections.abc import Iterator

import pytest
from django.core.management.commands import flush
from django.db.backends.postgresql.creation import DatabaseCreation
from django.test import Client
from hypothesis import settings
from whitenoise.middleware import WhiteNoiseMiddleware

from config.api import description
from config.ops import login, probes
from delivery.publishing.group_publish import group_commit as publishes
from subscriptions.api.event_types import catalogue
from subscriptions.event_types.json_schema import schema_check
from subscriptions.tenants.tenants import named_tenants
from tests import history, pgbouncer_server
from tests.api.checked_responses import checked_request
from tests.clients.tools import absence
from tests.clock import time_of_test
from tests.dns_server import DnsServer, dns_server
from tests.forced_drop import drop_by_force
from tests.long_tests import long_first
from tests.static_files import add_files_once
from tests.threads import ClosingThreads, SynchronousWriters
from tests.written_tables import delete_written
from webhooks.audit.key_looks import key_looks
from webhooks.kit.fair import threads
from webhooks.outgoing import resolver
from webhooks.receiving import rejections
from webhooks.receiving.insert_receipt import group_commit as receipts
from webhooks.sources.source_counts import source_counts

# A shell that starts the suite in the background has it ignore SIGINT, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

logging.raiseExceptions = False  # a notifier's thread may log when the stream captured for its test is closed
Client.request = checked_request  # type: ignore[method-assign]  # responses are checked against the OpenAPI document
WhiteNoiseMiddleware.add_files_from_finders = add_files_once
flush.Command.handle = delete_written  # type: ignore[method-assign]  # tables of a test that commits
DatabaseCreation._destroy_test_db = drop_by_force
threads.ThreadPoolExecutor = ClosingThreads  # those of the process outlive a test, and their connections must not
settings.register_profile("waypost", deadline=None)
settings.load_profile("waypost")

GENERATED = re.compile(r"(?=.*\d)\S{26,}")  # a secret, a digest, an id


@pytest.fixture(autouse=True)
def no_counting_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write counts only when the test does, not from a thread that outlives the test."""
    monkeypatch.setattr("webhooks.kit.hourly_counts.HourlyCounts.start_thread", lambda counts: None)
    source_counts.clear()
    key_looks.clear()


@pytest.fixture(autouse=True)
def writers_leave_no_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with SynchronousWriters() as writers:
        monkeypatch.setattr(publishes, "writers", writers)
        monkeypatch.setattr(receipts, "writers", writers)
        monkeypatch.setattr(rejections.group_commit, "writers", writers)
        yield


@pytest.fixture(autouse=True)
def no_refreshing_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load cached values only when the test does, not on a thread that does not see the rows of the test."""
    monkeypatch.setattr("webhooks.kit.caches.refresher.Refresher.start_thread", lambda refresher: False)


@pytest.fixture(autouse=True)
def no_timer_of_late_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mark lanes at once, not from a thread that outlives the test."""
    monkeypatch.setattr("delivery.publishing.late_marks.LateMarks.start_timer", lambda marks: marks.mark())


@pytest.fixture(autouse=True)
def nothing_cached_by_another_test() -> None:
    """Drop what is cached of event types, pages and states, since the test is rolled back and its settings are."""
    schema_check.clear_cache()
    for cached in (catalogue.kept_pages, probes.readiness, probes.exposition, named_tenants, description.schema):
        cached.clear()
    login.attempts.clear()


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[DnsServer]:
    """Resolve all names of this process by a DNS server of the test, which knows none."""
    with dns_server() as server:
        own = resolver.Resolver([server.address])
        monkeypatch.setattr(resolver, "resolver", lambda: own)
        yield server
        own.close()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Let each test have a time of its own."""
    time_of_test.cache_clear()


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a value that may have been generated during collection by its parameter."""
    return argname if isinstance(val, str) and GENERATED.fullmatch(val) else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return one more than there are processors: journeys and faults mostly wait."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish(session: pytest.Session) -> None:
    """Spare the garbage collector what all tests share."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out because this machine lacks it: languages of clients, a pooler, the history."""
    for sentence in absence():
        terminalreporter.write_line(f"clients: {sentence}")
    for sentence in (*pgbouncer_server.absence(), *history.absence()):
        terminalreporter.write_line(sentence)


SLOW = (
    "tests/journeys",
    "tests/faults",
    "tests/isolation",
    "tests/api",
    "tests/benchmarks",
    "tests/clients",
    "tests/config/local",
    "tests/docs/test_guides.py",
)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Mark tests that start platforms, browsers or faults as slow, by their folder; `make test-fast` skips them.

    When plug-ins have put the tests in order, the long ones come first.
    """
    for item in items:
        if item.path.relative_to(config.rootpath).as_posix().startswith(SLOW):
            item.add_marker("slow")
    yield
    items[:] = long_first(items, config.rootpath)
