"""Store a sample of the refused requests, so that a wrong secret can be found and a flood cannot fill the disk.

At most ``PER_MINUTE`` rows a minute, source and process are stored; the others are counted, and the next row has
their number in ``suppressed_count``. ``sweep.trim_rejections`` keeps the newest of each source. A rejection that
cannot be stored is dropped: the response does not depend on it.
"""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from django.db import Error

from webhooks.models import Receipt, Rejection

PER_MINUTE = 10


@dataclass(slots=True)
class _Minute:
    started: float = field(default_factory=time.monotonic)
    stored: int = 0
    suppressed: int = 0


_lock = threading.Lock()
_minutes: dict[UUID, _Minute] = {}


def record_rejection(rejection: Rejection) -> None:
    """Store this rejection, or only count it. Its headers must be free of credentials."""
    suppressed = _reserve_slot(rejection.source_id)
    if suppressed is None:
        return
    rejection.reason = rejection.reason[:64]
    rejection.detail = rejection.detail.replace("\0", "")[:512]
    rejection.suppressed_count = suppressed
    with suppress(Error):
        _set_last_valid(rejection)
        rejection.save(force_insert=True)


def _set_last_valid(rejection: Rejection) -> None:
    """Note which secret signed the newest valid message, and when: a later change explains the rejection."""
    newest = Receipt.objects.filter(source_id=rejection.source_id).order_by("-id")
    receipt = newest.values("secret_id", "received_at").first()
    if receipt is not None:
        rejection.last_valid_secret_id, rejection.last_valid_at = receipt["secret_id"], receipt["received_at"]


def _reserve_slot(source_id: UUID) -> int | None:
    """Return how many rejections were suppressed before this one, or None if this one is suppressed as well."""
    with _lock:
        minute = _minutes.get(source_id)
        if minute is None or time.monotonic() - minute.started >= 60:
            minute = _minutes[source_id] = _Minute(suppressed=minute.suppressed if minute else 0)
        if minute.stored >= PER_MINUTE:
            minute.suppressed += 1
            return None
        minute.stored += 1
        suppressed, minute.suppressed = minute.suppressed, 0
        return suppressed


def reset_samples() -> None:
    """Start a new minute for each source."""
    _minutes.clear()
