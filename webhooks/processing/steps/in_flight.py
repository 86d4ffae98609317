"""Keep the claimed receipts whose enrichment is called, so that neither a transaction nor a worker waits for it.

A worker goes on with other receipts, and runs the handlers of these when their calls have ended. Each enrichment has a
limit of calls at once; receipts beyond it, and those behind one of their order key, are due again a little later.
"""

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from types import TracebackType
from typing import Self
from uuid import UUID

from webhooks.models import Receipt
from webhooks.outgoing.call_limits import calls_per_host
from webhooks.processing.receipts import release
from webhooks.processing.steps.run import begin, prepared_of
from webhooks.processing.steps.settings import MAX_SECONDS, has_enrichment

MAX_WAITING = 256  # receipts of a process that wait for their enrichment
MAX_QUEUED = 64  # receipts of a source that wait for one of its calls to end
MAX_QUEUE_SECONDS = 20.0  # then they are released: their claim ends 60 s after it began
DEFAULT_CONCURRENCY = 8  # calls of one enrichment
LATER = 0.5  # seconds after which a receipt beyond a limit is due again
LAST_WAIT = 5.0  # seconds for which the last calls are waited for when the worker's time is over


class InFlight:
    """The receipts of one run of a worker that wait for their enrichment. Those left at its end are released."""

    def __init__(self) -> None:
        self._called: list[Receipt] = []
        self._queues: dict[UUID, deque[tuple[float, Receipt]]] = {}
        self._keys: set[tuple[UUID, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.release_queued()
            release(self._called)

    def __len__(self) -> int:
        return len(self._called) + sum(map(len, self._queues.values()))

    def begin(self, claimed: Sequence[Receipt]) -> list[Receipt]:
        """Begin the enrichments of receipts of one claim; return those that need none, to be run now."""
        ready: list[Receipt] = []
        later: list[Receipt] = []
        for receipt in claimed:
            needs_call = has_enrichment(receipt.source.handlers)
            if self._is_behind(receipt) or (needs_call and not self._has_room(receipt)):
                later.append(receipt)
            elif needs_call:
                queue = self._queues.setdefault(receipt.source_id, deque())
                queue.append((time.monotonic(), receipt))
                if receipt.order_key:
                    self._keys.add((receipt.source_id, receipt.order_key))
            else:
                ready.append(receipt)
        release(later, seconds=LATER)
        return ready + self._start()

    def ended(self, *, seconds: float = 0.0) -> list[Receipt]:
        """Return the receipts whose calls have ended; wait up to ``seconds`` for the first."""
        if self._called and seconds:
            wait([call for it in self._called for call in prepared_of(it).calls], seconds, FIRST_COMPLETED)
        done = [it for it in self._called if prepared_of(it).is_done]
        for receipt in done:
            prepared_of(receipt).end()
            self._called.remove(receipt)
            self._forget_key(receipt)
        return done + self._start()

    def keep(self, receipts: Sequence[Receipt]) -> None:
        """Keep receipts until the next call of ``ended``."""
        self._called += receipts
        self._keys.update((it.source_id, it.order_key) for it in receipts if it.order_key)

    def release_queued(self) -> None:
        """Release the receipts whose calls have not begun."""
        queued = [receipt for queue in self._queues.values() for _, receipt in queue]
        self._queues = {}
        for receipt in queued:
            self._forget_key(receipt)
        release(queued)

    def _start(self) -> list[Receipt]:
        """Begin as many calls as the limits allow; return the receipts that turned out to need none."""
        ready: list[Receipt] = []
        late: list[Receipt] = []
        for source_id, queue in list(self._queues.items()):
            free = _most(queue[0][1]) - sum(it.source_id == source_id for it in self._called)
            while queue and free > 0:
                queued_at, receipt = queue.popleft()
                if time.monotonic() - queued_at > MAX_QUEUE_SECONDS:
                    self._forget_key(receipt)
                    late.append(receipt)
                elif begin(receipt).calls:
                    self._called.append(receipt)
                    free -= 1
                else:
                    self._forget_key(receipt)
                    ready.append(receipt)
            if not queue:
                del self._queues[source_id]
        release(late)
        return ready

    def _is_behind(self, receipt: Receipt) -> bool:
        return bool(receipt.order_key) and (receipt.source_id, receipt.order_key) in self._keys

    def _forget_key(self, receipt: Receipt) -> None:
        self._keys.discard((receipt.source_id, receipt.order_key))

    def _has_room(self, receipt: Receipt) -> bool:
        return len(self) < MAX_WAITING and len(self._queues.get(receipt.source_id, ())) < MAX_QUEUED


def _most(receipt: Receipt) -> int:
    """Return how many calls a source may have at once: the smallest limit of its enrichments."""
    enrichments = [it["enrich"] for it in receipt.source.handlers if it.get("enrich")]
    return min(calls_per_host(), *(int(it.get("max_concurrency", DEFAULT_CONCURRENCY)) for it in enrichments))


def enrich_now(receipt: Receipt) -> None:
    """Call the enrichment of a receipt that runs alone, and wait for the response."""
    if receipt.prepared is not None or not has_enrichment(receipt.source.handlers):
        return
    prepared = begin(receipt)
    if prepared.calls:
        end = time.monotonic() + MAX_SECONDS + LAST_WAIT
        for call in prepared.calls:
            wait([call], max(0.0, end - time.monotonic()))
        prepared.end()
