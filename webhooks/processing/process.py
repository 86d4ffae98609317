"""Process due receipts: claim some in turns, run their handlers in shared transactions, record the results.

Each round claims receipts of fast sources for shared transactions, one receipt that may have crashed its worker, and
one of a slow source. The latter two run alone.

A handler that raises, or exceeds the time limit of its source, costs an attempt, and the receipt is due again by the
retry plan. Then all handlers of the receipt run again, since they share one savepoint. A worker that crashes records
nothing: ``claims`` counts such claims, and after ``MAX_CLAIMS`` the receipt is dead (``crashed_worker``) and can be
replayed. Those that shared the transaction of a crash run alone afterwards, so only the first of these claims may be
the fault of another.
"""

import random
import time
from collections.abc import Sequence

from django.db import Error, InterfaceError, OperationalError

from webhooks import telemetry
from webhooks.models import Receipt
from webhooks.processing.notify import receipt_workers
from webhooks.processing.receipts import release
from webhooks.processing.running.handler_runs import (
    HandlerRun,
    Outcome,
    TransactionLost,
    fail,
    failed_commit,
    give_up,
    run_together,
    settle_alone,
)
from webhooks.processing.turns.claims import claim_group, claim_slow, claim_suspect, has_pending
from webhooks.processing.turns.slow_sources import due_slow_sources, mark_slow, paces
from webhooks.processing.turns.worker_places import handler_place, slow_place
from webhooks.sources import source_counts
from webhooks.wire.ids import public

BATCH = 64  # receipts per claim
MAX_GROUP = 32  # receipts per transaction: beyond 64 subtransactions PostgreSQL slows down every session
RELEASE_AFTER = 2.0  # seconds after which claimed receipts that have not started are released
MAX_CLAIMS = 3  # claims without a result; then the receipt is dead
MAX_RUN_SECONDS = 25.0  # seconds a task runs before it gives its worker to other tasks


def process_due(seconds: float = MAX_RUN_SECONDS) -> int:
    """Process due receipts until none is left or the time is over (then wake another worker); return their number.

    Returns at once if all processes of this worker that may run handlers do so.
    """
    end = time.monotonic() + seconds
    done = 0
    if not has_pending():
        return 0
    with handler_place() as is_free:
        while is_free and time.monotonic() < end:
            processed = _process_round()
            if not processed:
                return done
            done += processed
    if is_free:
        receipt_workers.notify()
    return done


def _process_round() -> int:
    """Give each kind one turn: receipts that may share a transaction, one suspect, one receipt of a slow source."""
    return process_claimed(claim_group(BATCH)) + _process_suspect() + _process_slow()


def process_claimed(claimed: Sequence[Receipt]) -> int:
    """Process receipts of one claim in groups, oldest first, and return their number.

    Those that have not started after ``RELEASE_AFTER``, or when an exception ends this, are released to others. Those
    of the group that an exception ended stay claimed, since one of them may be its cause.
    """
    end = time.monotonic() + RELEASE_AFTER
    done = started = 0
    try:
        while done < len(claimed) and (not done or time.monotonic() < end):
            started = min(done + MAX_GROUP, len(claimed))
            done += _process_group(claimed[done:started])
            started = done
    finally:
        release(claimed[started:])
    return done


def process(receipt: Receipt, *, has_whole_limit: bool = True) -> None:
    """Run the handlers of one claimed receipt alone, as long as its source allows or as long as in a group."""
    try:
        run = run_together([receipt], has_whole_limit=has_whole_limit)[0]
    except TransactionLost as lost:
        run = lost.run
        if run.outcome in (Outcome.PROCESSED, Outcome.SKIPPED):
            fail(run, lost)
        settle_alone([run])
    except (OperationalError, InterfaceError):
        raise  # the connection broke: whether it is committed shows in the row
    except Error as error:  # a deferred constraint
        run = failed_commit(receipt, error)
        settle_alone([run])
    _finish([run])


def _process_group(group: Sequence[Receipt]) -> int:
    """Run receipts together, and those alone that must be; return how many of them were started, at least one."""
    try:
        runs = run_together(group)
    except (Error, TransactionLost) as error:
        telemetry.log_group_failed(len(group), error)
        return _process_one_by_one(group)
    _finish(runs)
    for run in runs:
        if run.outcome is Outcome.AGAIN:
            process(run.receipt, has_whole_limit=False)
    return len(runs)


def _process_one_by_one(group: Sequence[Receipt]) -> int:
    """Run each receipt in its own transaction, so that the one that breaks a shared one fails alone."""
    end = time.monotonic() + RELEASE_AFTER
    for done, receipt in enumerate(group, 1):
        process(receipt, has_whole_limit=False)
        if time.monotonic() > end:
            return done
    return len(group)


def _process_suspect() -> int:
    """Run one receipt alone that may have crashed its worker."""
    claimed = claim_suspect()
    for receipt in claimed:
        if receipt.claims >= MAX_CLAIMS:  # it has crashed a worker that ran nothing else
            mark_slow([receipt.source_id])
            release(claimed)
        else:
            process(receipt, has_whole_limit=False)
    return len(claimed)


def _process_slow() -> int:
    """Run one receipt of a slow source alone, if this process may."""
    due = due_slow_sources()
    random.shuffle(due)
    for tenant, source in due:
        with slow_place(tenant) as is_free:
            claimed = claim_slow(source) if is_free else []
            for receipt in claimed:
                _process_slow_receipt(receipt)
            if claimed:
                return 1
    return 0


def _process_slow_receipt(receipt: Receipt) -> None:
    if receipt.claims <= MAX_CLAIMS:
        process(receipt)
        return
    run = HandlerRun(receipt, limit=0.0)
    give_up(run, Receipt.Cause.CRASHED_WORKER, f"{MAX_CLAIMS} claims ended without a result")
    settle_alone([run])
    _finish([run])


def _finish(runs: Sequence[HandlerRun]) -> None:
    """Count and log runs after their commit, and leave slow sources to the processes that may run them."""
    slow = set()
    for run in runs:
        if paces.add(run.source.id, run.seconds) or run.outcome is Outcome.TOO_SLOW:
            slow.add(run.source.id)
        _count(run)
    mark_slow(slow)
    release([run.receipt for run in runs if run.outcome is Outcome.TOO_SLOW])


def _count(run: HandlerRun) -> None:
    telemetry.count_run(run.outcome.value)
    receipt = public(Receipt.prefix, run.receipt_id)
    if run.outcome in (Outcome.PROCESSED, Outcome.SKIPPED):
        source_counts.count(run.source.id, "processed")
    if run.error is not None:
        source_counts.count(run.source.id, "handler_failures")
        telemetry.log_handler_failed(receipt, run.current, run.error, run.receipt.attempts + 1)
    if run.outcome is Outcome.DEAD and run.result is not None:
        source_counts.count(run.source.id, "dead")
        telemetry.log_dead(receipt, run.result.cause, run.result.error)
