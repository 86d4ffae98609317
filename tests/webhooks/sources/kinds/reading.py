"""Read sources in tests: until nothing is left, and in a child process that is killed at a chosen point."""

import os
import signal
import time
from datetime import timedelta
from typing import Any

from django.db import connections
from django.utils import timezone

from tests.waiting import wait_until
from webhooks.kit.kinds.setting import check_settings
from webhooks.models import Receipt, Source, SourcePartition
from webhooks.outgoing import http_exchange
from webhooks.readers import slices
from webhooks.readers.leases import lease_next
from webhooks.readers.open_readers import close_readers
from webhooks.sources.kinds.kind import Connection, Kind
from webhooks.sources.kinds.registry import find_kind
from webhooks.sources.sources import create_source

KILLS = int(os.environ.get("WAYPOST_KILLS", "6"))  # of one test; `make test-brokers` has 21
POINTS = ("before the commit", "after the commit", "after the acknowledgement")


def connection_to(
    kind: Kind, settings: dict[str, Any], credentials: dict[str, Any], source: str = "src_test"
) -> Connection:
    """Return what the kind connects with, checked as REST checks it. Raises InvalidSettings."""
    checked, secrets = check_settings(kind.settings, settings, credentials)
    connection = Connection(source, source, checked, secrets)
    kind.check(connection)
    return connection


def read_source(kind: str, settings: dict[str, Any], credentials: dict[str, Any], **fields: Any) -> Source:
    """Create a source of a kind, with settings checked as REST checks them."""
    connection = connection_to(find_kind(kind), settings, credentials)
    return create_source(
        kind=kind, scheme="none", settings=connection.settings, credentials=connection.credentials, **fields
    )


def make_due() -> None:
    """Make all partitions due that are read at all, as time would."""
    rows = SourcePartition.objects.filter(next_read_at__isnull=False)
    rows.update(next_read_at=timezone.now() - timedelta(seconds=1))


def read_once(wait: float = 0.0) -> int:
    """Read each partition that is due now in one slice, with the last one waiting; return the number of records."""
    total = 0
    for _ in range(SourcePartition.objects.count()):
        lease = lease_next()
        if lease is None:
            break
        total += slices.run_slice(lease, time.monotonic() + wait)
    return total


def read_until(number: int) -> list[Receipt]:
    """Read until there are so many receipts; return all, in the order of their ids. Fails after a long time."""

    def has_read() -> bool:
        make_due()
        read_once(0.2)
        return Receipt.objects.count() >= number

    wait_until(has_read, lambda: f"{number} receipts; errors: {errors()}")
    return list(Receipt.objects.order_by("id"))


def errors() -> list[tuple[str, str]]:
    """Return the errors of all partitions, with the setting of each."""
    return list(SourcePartition.objects.exclude(last_error="").values_list("error_setting", "last_error"))


def read_in_child_that_dies(point: str, most: int = 10) -> bool:
    """Read once in a child process, at most so many records, which is killed at the point; return whether it was."""
    assert http_exchange  # imported here, so that no child has to
    close_readers()
    connections.close_all()
    child = os.fork()
    if not child:
        try:
            _read_until(point, most)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def _read_until(point: str, most: int) -> None:
    """Read in this process, which ends at the point."""
    slices.MAX_RECORDS = most
    read_one, store = slices.take_reader, slices.store

    def die(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def store_and_die(*arguments: Any) -> Any:
        stored = store(*arguments)
        die()
        return stored

    def reader_that_dies(*arguments: Any) -> Any:
        opened = read_one(*arguments)
        acknowledge = opened.reader.acknowledge
        opened.reader.acknowledge = lambda records: die(acknowledge(records))
        return opened

    if point == "before the commit":
        slices.store = die  # type: ignore[assignment]
    elif point == "after the commit":
        slices.store = store_and_die
    else:
        slices.take_reader = reader_that_dies
    make_due()
    read_once(1.0)
