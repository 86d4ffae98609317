"""Store a sample of the refused requests, so that a wrong secret can be found and a flood cannot fill the disk.

At most ``PER_MINUTE`` rows a minute, source and process are stored; the others are counted, and the next row has
their number in ``suppressed_count``. One thread writes them, many in one transaction, so no request waits for it.
``sweep.trim_rejections`` keeps the newest of each source. A rejection that cannot be stored is dropped: the response
does not depend on it.
"""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from django.db import Error, connection

from webhooks import metrics
from webhooks.kit import sql
from webhooks.kit.bodies.stored_headers import redact_credentials
from webhooks.kit.caches.bounded_cache import BoundedCache
from webhooks.kit.group_commit import GroupCommit
from webhooks.kit.native_request import NativeRequest
from webhooks.models import Rejection
from webhooks.sources.snapshot import SourceSnapshot

PER_MINUTE = 10
MAX_REMEMBERED = 10_000  # sources whose last minute a process remembers
MAX_GROUP = 100  # rejections in one transaction
MAX_WAITING = 1000  # rejections that wait to be written; more are dropped

# Index: receipt_source.
_LAST_VALID = """
    SELECT source.id, newest.secret_id, newest.received_at
    FROM unnest(%(sources)s::uuid[]) AS source (id) CROSS JOIN LATERAL (
        SELECT secret_id, received_at FROM webhooks_receipt WHERE source_id = source.id ORDER BY id DESC LIMIT 1
    ) AS newest
"""


@dataclass(slots=True)
class _Minute:
    started: float = field(default_factory=time.monotonic)
    stored: int = 0
    suppressed: int = 0


_lock = threading.Lock()
_minutes = BoundedCache[_Minute](MAX_REMEMBERED)


def record_rejection(
    source: SourceSnapshot, request: NativeRequest, reason: str, detail: str, *, size: int = 0, sha256: str = ""
) -> None:
    """Store this rejection soon, or only count it. Returns at once, except inside a transaction of the caller."""
    metrics.count_rejection(source.scheme, reason[:64])
    suppressed = _reserve_slot(source.id)
    if suppressed is None:
        return
    rejection = Rejection(
        source_id=source.id,
        reason=reason[:64],
        detail=detail.replace("\0", "")[:512],
        headers=redact_credentials(request.headers, source.credential_headers),
        remote_address=request.remote_address[:64],
        size=size,
        sha256=sha256,
        suppressed_count=suppressed,
    )
    if connection.in_atomic_block:
        write_rejections([rejection])
    elif group_commit.waiting() < MAX_WAITING:
        group_commit.submit(rejection)


def write_rejections(rejections: Sequence[Rejection]) -> list[None]:
    """Insert rejections, each with the secret and time of the newest valid message of its source.

    A later change of the secret explains the rejection.
    """
    with suppress(Error):
        rows = sql.run(_LAST_VALID, {"sources": list({rejection.source_id for rejection in rejections})})
        newest = {source_id: (secret_id, received_at) for source_id, secret_id, received_at in rows}
        for rejection in rejections:
            last_valid = newest.get(rejection.source_id, (None, None))
            rejection.last_valid_secret_id, rejection.last_valid_at = last_valid
        Rejection.objects.bulk_create(rejections)
    return [None] * len(rejections)


group_commit: GroupCommit[Rejection, None] = GroupCommit(
    lambda rejections, _after_commit: write_rejections(rejections),
    items="rejections",
    threads=1,
    max_group=MAX_GROUP,
)


def _reserve_slot(source_id: UUID) -> int | None:
    """Return how many rejections were suppressed before this one, or None if this one is suppressed as well."""
    with _lock:
        minute = _minutes.get(source_id)
        if minute is None or time.monotonic() - minute.started >= 60:
            minute = _Minute(suppressed=minute.suppressed if minute else 0)
            _minutes.put(source_id, minute)
        if minute.stored >= PER_MINUTE:
            minute.suppressed += 1
            return None
        minute.stored += 1
        suppressed, minute.suppressed = minute.suppressed, 0
        return suppressed


def reset_samples() -> None:
    """Start a new minute for each source."""
    _minutes.clear()
