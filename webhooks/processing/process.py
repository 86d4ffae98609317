"""Process due receipts: claim some in turns, run their handlers in shared transactions, record the results.

Receipts of fast sources share transactions. Every ``ALONE_EVERY`` seconds, and when none of those is due, one receipt
that may have crashed its worker and one of a slow source run alone.

A handler that raises, or exceeds the time limit of its source, costs an attempt, and the receipt is due again by the
retry plan. Then all handlers of the receipt run again, since they share one savepoint. A worker that crashes records
nothing: ``claims`` counts such claims, and after ``MAX_CLAIMS`` the receipt is dead (``crashed_worker``) and can be
replayed. Those that shared the transaction of a crash run alone afterwards, so only the first of these claims may be
the fault of another.
"""

import random
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from itertools import zip_longest
from uuid import UUID

from django.db import Error, InterfaceError, OperationalError

from webhooks import metrics, telemetry
from webhooks.models import Receipt, Source
from webhooks.processing.notify import receipt_workers
from webhooks.processing.receipts import release
from webhooks.processing.running.handler_batches import may_run_together
from webhooks.processing.running.handler_run import HandlerRun, OrderKey, RunOutcome, failed_commit, order_key_of
from webhooks.processing.running.handler_runs import TransactionLost, run_together, settle_alone
from webhooks.processing.steps.in_flight import LAST_WAIT, InFlight, enrich_now
from webhooks.processing.turns.claims import claim_group, claim_slow, claim_suspect, has_pending
from webhooks.processing.turns.slow_sources import due_slow_sources, mark_slow, paces
from webhooks.processing.turns.worker_places import handler_place, slow_place
from webhooks.sources import source_counts
from webhooks.wire.ids import public

BATCH = 64  # receipts per claim
MAX_GROUP = 32  # receipts per transaction: beyond 64 subtransactions PostgreSQL slows down every session
TOGETHER_BATCH = 256  # receipts per claim, after one whose receipts may all run together
MAX_TOGETHER = 128  # of these in a transaction: they have one subtransaction
RELEASE_AFTER = 0.5  # seconds after which claimed receipts that have not started are released
TENANT_SECONDS = 0.1  # of one claim for the receipts of one tenant
ALONE_EVERY = 0.05  # seconds between two turns of the receipts that run alone
ENRICHMENT_WAIT = 0.05  # seconds to wait for the response of an enrichment while no other receipt is due
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
    with handler_place() as is_free, InFlight() as in_flight:
        alone_at, size = time.monotonic(), BATCH
        while is_free and time.monotonic() < end:
            claimed = claim_group(size)
            size = TOGETHER_BATCH if claimed and may_run_together(claimed) else BATCH
            processed = process_claimed(in_flight.begin(claimed))
            processed += _process_enriched(in_flight, 0.0 if processed else ENRICHMENT_WAIT)
            if not processed or time.monotonic() - alone_at > ALONE_EVERY:
                processed += _process_suspect() + _process_slow()
                alone_at = time.monotonic()
            done += processed
            if len(in_flight):
                continue
            if not processed or not has_pending():
                return done
        done += _process_last(in_flight)
    if is_free:
        receipt_workers.notify()
    return done


def _process_last(in_flight: InFlight) -> int:
    """Process the receipts whose enrichment is called when the time is over, as far as these calls end soon."""
    end, done = time.monotonic() + LAST_WAIT, 0
    in_flight.release_queued()
    while len(in_flight) and time.monotonic() < end:
        done += _process_enriched(in_flight, ENRICHMENT_WAIT)
    return done


def _process_enriched(in_flight: InFlight, seconds: float) -> int:
    """Process a group of the receipts whose calls of the enrichment have ended; keep the others for the next group."""
    enriched = in_flight.ended(seconds=seconds)
    runs = _process_group(enriched[:MAX_GROUP]) if enriched else []
    started = {run.receipt_id for run in runs}
    in_flight.keep([receipt for receipt in enriched if receipt.id not in started])
    return len(runs)


def process_claimed(claimed: Sequence[Receipt]) -> int:
    """Process receipts of one claim in groups, in turns among their sources, and return their number.

    Receipts of an order key run in order; those behind one that was not finished are released. A tenant whose receipts
    of this claim have taken ``TENANT_SECONDS`` waits for the next claim. Receipts that have not started then, or after
    ``RELEASE_AFTER``, or when an exception ends this, are released to others. Those of the group that an exception
    ended stay claimed, since one of them may be its cause.
    """
    end = time.monotonic() + RELEASE_AFTER
    queues, done = _queues(claimed), 0
    unstarted = {receipt.id: receipt for receipt in claimed}
    seconds: defaultdict[UUID, float] = defaultdict(float)
    blocked: set[OrderKey] = set()
    try:
        while queues and (not done or time.monotonic() < end):
            queue = queues.popleft()
            group = queue[:MAX_TOGETHER] if may_run_together(queue[:MAX_TOGETHER]) else queue[:MAX_GROUP]
            by_id = {receipt.id: unstarted.pop(receipt.id) for receipt in group}
            runs = _process_group(group)
            for run in runs:
                del by_id[run.receipt_id]
                seconds[_tenant(run.source)] += run.seconds
                if run.blocks is not None:
                    blocked.add(run.blocks)
            unstarted.update(by_id)
            done += len(runs)
            left = [
                receipt
                for receipt in (*by_id.values(), *queue[len(group) :])
                if seconds[_tenant(receipt.source)] <= TENANT_SECONDS and order_key_of(receipt) not in blocked
            ]
            if left:
                queues.append(left)
    finally:
        release(list(unstarted.values()))
    return done


def _queues(claimed: Sequence[Receipt]) -> deque[list[Receipt]]:
    """Return the receipts in the order of their turns: one list of those that may share a transaction with others.

    Each source with a sequence has a list of its own, in the order of its keys: a transaction locks the sequences that
    it advances, and two transactions that lock them in different orders would wait for each other.
    """
    by_source: dict[UUID, list[Receipt]] = {}
    for receipt in claimed:
        by_source.setdefault(receipt.source_id, []).append(receipt)
    sources = list(by_source.values())
    random.shuffle(sources)
    shared = [source for source in sources if not source[0].source.sequence_path]
    in_turns = [receipt for round_ in zip_longest(*shared) for receipt in round_ if receipt is not None]
    queues = [*([in_turns] if in_turns else []), *(source for source in sources if source[0].source.sequence_path)]
    random.shuffle(queues)
    return deque(queues)


def _tenant(source: Source) -> UUID:
    """Return the id that has a share of each claim: of the tenant, or of a source that no tenant owns."""
    return source.tenant_id or source.id


def process(receipt: Receipt, *, has_whole_limit: bool = True) -> HandlerRun:
    """Run the handlers of one claimed receipt alone, as long as its source allows or as long as in a group."""
    enrich_now(receipt)
    try:
        run = run_together([receipt], has_whole_limit=has_whole_limit)[0]
    except TransactionLost as lost:
        run = lost.run
        if run.outcome in (RunOutcome.PROCESSED, RunOutcome.SKIPPED):
            run.fail(lost)
        settle_alone([run])
    except (OperationalError, InterfaceError):
        raise  # the connection broke: whether it is committed shows in the row
    except Error as error:  # a deferred constraint
        run = failed_commit(receipt, error)
        settle_alone([run])
    _finish([run])
    return run


def _process_group(group: Sequence[Receipt]) -> list[HandlerRun]:
    """Run receipts together, and those alone that must be; return the runs of those that were started, at least one."""
    try:
        runs = run_together(group)
    except (Error, TransactionLost) as error:
        telemetry.log_group_failed(len(group), error)
        return _process_one_by_one(group)
    _finish(runs)
    for run in runs:
        if run.outcome is RunOutcome.AGAIN:
            process(run.receipt, has_whole_limit=False)
    return runs


def _process_one_by_one(group: Sequence[Receipt]) -> list[HandlerRun]:
    """Run each receipt in its own transaction, so that the one that breaks a shared one fails alone."""
    end = time.monotonic() + RELEASE_AFTER
    runs: list[HandlerRun] = []
    for receipt in group:
        if runs and time.monotonic() > end:
            break
        if order_key_of(receipt) not in {run.blocks for run in runs if run.blocks is not None}:
            runs.append(process(receipt, has_whole_limit=False))
    return runs


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
    run.give_up(Receipt.Cause.CRASHED_WORKER, f"{MAX_CLAIMS} claims ended without a result")
    settle_alone([run])
    _finish([run])


def _finish(runs: Sequence[HandlerRun]) -> None:
    """Count and log runs after their commit, and leave slow sources to the processes that may run them."""
    slow = set()
    for run in runs:
        if paces.add(run.source.id, run.seconds) or run.outcome is RunOutcome.TOO_SLOW:
            slow.add(run.source.id)
        _count(run)
    mark_slow(slow)
    release([run.receipt for run in runs if run.outcome is RunOutcome.TOO_SLOW])


def _count(run: HandlerRun) -> None:
    metrics.count_run(run.outcome.value, run.seconds)
    receipt = public(Receipt.prefix, run.receipt_id)
    if run.outcome in (RunOutcome.PROCESSED, RunOutcome.SKIPPED):
        source_counts.count(run.source.id, "processed")
        if not run.receipt.attempts:
            metrics.count_handled(run.receipt_id)
    if run.outcome is RunOutcome.PROCESSED and not run.done:
        source_counts.count(run.source.id, "unhandled")
    if run.error is not None:
        source_counts.count(run.source.id, "handler_failures")
        telemetry.log_handler_failed(receipt, run.current, run.error, run.receipt.attempts + 1)
    if run.outcome is RunOutcome.DEAD and run.result is not None:
        source_counts.count(run.source.id, "dead")
        telemetry.log_dead(receipt, run.result.cause, run.result.error)
