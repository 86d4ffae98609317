"""Read what is due, in slices: ``run`` is a task, and any number may run side by side, on any number of machines.

A slice leases a partition, and fetches, stores and acknowledges until nothing is left, its time is over, or another
partition is due. While no other partition is due, a slice waits at the other system for the next record, so a record
is stored when it comes and not at the next poll.

A system that does not respond takes seconds to fail. So partitions of which the last attempt failed, and new ones, are
read beside the others in threads (``trials``), and delay none that works.

Failures of the other system end the slice, stand in the partition's row, and are tried again after a pause that
doubles. Failures of our database are raised; the lease expires.
"""

import time
from contextlib import suppress
from functools import partial

from django.db import Error as DatabaseError
from django.db import transaction

from webhooks import metrics, telemetry
from webhooks.kit.bodies.claim_check import StorageDown
from webhooks.kit.encryption import CannotDecrypt
from webhooks.kit.fair.worker_places import processes, worker_place
from webhooks.kit.kinds.setting import masked
from webhooks.models import Source, SourcePartition
from webhooks.readers.leases import Lease, LeaseLost, end, fail, lease_next, others_are_due, release
from webhooks.readers.open_readers import OpenReader, close_reader, keep_reader, take_reader
from webhooks.readers.partitions import list_partitions
from webhooks.readers.store import store
from webhooks.readers.trials import Trials, trials_of_process
from webhooks.readers.troubles import report_danger, report_failure, report_recovery
from webhooks.sources.connections import connection_of, credentials_of
from webhooks.sources.kinds.kind import ENDED, Lag, PartitionEnded, SourceUnavailable, unexpected
from webhooks.sources.kinds.registry import find_kind
from webhooks.sources.partitions import reader_workers
from webhooks.sources.snapshot import SourceSnapshot, find_source

RUN_SECONDS = 5.0  # one run of the task; if work is left, it sends the next
SLICE_SECONDS = 1.0  # of one partition, while others are due
MAX_RECORDS = 500  # in one transaction
MAX_WAIT = 1.0  # seconds to wait for a record while nothing else is due


def read_sources() -> int:
    """Read what is due, partitions that are not proven in threads; return the number of records of the others."""
    return run(trials=trials_of_process())


def run(*, seconds: float = RUN_SECONDS, trials: Trials | None = None) -> int:
    """Read what is due, for ``seconds`` at most; return the number of records.

    Returns at once if all processes of this worker that may read do so: half of them, at least one. ``trials`` reads
    the partitions that are not proven; without it, and in a worker with one process, they are read like the others.
    """
    number = processes()
    may_wait = number is not None and number > 1
    beside = trials if may_wait else None
    with worker_place("readers", None if number is None else max(1, number // 2)) as is_free:
        if not is_free:
            return 0
        until, total = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            lease = lease_next() if beside is None else lease_next(beside.has_room)
            if lease is None:
                return total
            if beside is not None and not lease.is_proven:
                beside.start(lease.owner, partial(run_slice, lease, time.monotonic() + SLICE_SECONDS, may_wait=False))
                continue
            total += run_slice(lease, until, may_wait=may_wait)
    reader_workers.notify()
    return total


def run_slice(lease: Lease, until: float, *, may_wait: bool = True) -> int:
    """Read a leased partition until nothing is left, or time is over (monotonic); return the number of records.

    ``may_wait``: for a record, while nothing else is due; not in a worker with one process, which has other tasks.
    """
    source = Source.objects.get(pk=lease.source_id)
    try:
        if source.deleted_at is not None:
            _remove(source)
            return 0
        number = _run(lease, source, until, may_wait=may_wait)
        report_recovery(source)
        return number
    except LeaseLost:
        return 0
    except (DatabaseError, StorageDown):
        raise
    except SourceUnavailable as error:
        _fail(lease, source, error)
    except Exception as error:
        telemetry.log_reader_failed(source.public_id, lease.partition, error)
        _fail(lease, source, unexpected(error))
    return 0


def _run(lease: Lease, source: Source, until: float, *, may_wait: bool) -> int:
    """List the partitions, or read one; return the number of records. Raises SourceUnavailable, LeaseLost."""
    if find_kind(source.kind).is_partitioned and not lease.partition:
        release(lease, Lag(), list_partitions(source))
        return 0
    if lease.position == ENDED:
        end(lease)
        return 0
    return _read(lease, source, until, may_wait=may_wait)


def _read(lease: Lease, source: Source, until: float, *, may_wait: bool) -> int:
    """Fetch, store and acknowledge in turn. Raises SourceUnavailable, LeaseLost."""
    snapshot = find_source(source.public_id)
    if snapshot is None:
        raise LeaseLost
    total, slice_ends = 0, time.monotonic() + SLICE_SECONDS
    try:
        opened = take_reader(source, lease)
    except PartitionEnded:
        end(lease)
        return 0
    try:
        while True:
            wait = _wait(until) if may_wait else 0.0
            began = time.monotonic()
            number = _read_once(lease, snapshot, opened, wait)
            total += number
            now = time.monotonic()
            if not number or now >= until or (now >= slice_ends and others_are_due()):
                break
        lag = opened.reader.lag()
        has_waited = wait > 0 and now - began > wait / 2  # the next slice goes on waiting
        pause = 0.0 if number or has_waited else find_kind(source.kind).next_idle(connection_of(source))
        release(lease, lag, pause)
        if lag.warning:
            report_danger(source, lease.partition, lag.warning)
        if lag.position is not None:
            opened.position = lag.position
    except PartitionEnded:
        close_reader(opened)
        end(lease)
        return total
    except BaseException:
        close_reader(opened)
        raise
    keep_reader(lease, opened)
    if lease.failures:
        telemetry.log_reader_recovered(source.public_id, lease.partition)
    return total


def _read_once(lease: Lease, source: SourceSnapshot, opened: OpenReader, wait: float) -> int:
    """Fetch once, commit, acknowledge; return the number of records."""
    records = opened.reader.fetch(MAX_RECORDS, wait)
    if not records:
        return 0
    position = records[-1].position
    stored = store(lease, source, records, position)
    opened.reader.acknowledge(records)
    opened.position = position
    metrics.count_read(stored.received, stored.duplicates, stored.rejected, stored.dead)
    return len(records)


def _wait(until: float) -> float:
    """Return how long to wait for a record: not at all while another partition is due."""
    return 0.0 if others_are_due() else max(0.0, min(MAX_WAIT, until - time.monotonic()))


def _fail(lease: Lease, source: Source, error: SourceUnavailable) -> None:
    with suppress(CannotDecrypt):
        error.args = (masked(str(error), credentials_of(source)),)
    try:
        failure = fail(lease, error)
    except LeaseLost:
        return
    if not lease.failures:
        telemetry.log_reader_unavailable(source.public_id, lease.partition, str(error), failure.again_in)
    report_failure(source, lease.partition, error, failure)


def _remove(source: Source) -> None:
    """Remove what a deleted source left in the other system, then its partitions. Raises SourceUnavailable."""
    find_kind(source.kind).remove(connection_of(source))
    with transaction.atomic():
        SourcePartition.objects.filter(source=source).delete()
