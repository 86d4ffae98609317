"""Keep a sample of what is refused, so that a wrong secret can be found and a flood cannot fill the disk.

At most ``PER_MINUTE`` rows a minute, source and process; those in between are counted, and the next row says how
many. ``sweep.trim_rejections`` keeps the newest of each source. Keeping is a courtesy: a database that does not
take the row changes nothing in the answer.
"""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import Error

from webhooks.models import Receipt, Rejection

PER_MINUTE = 10


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was refused: a code for programs, a sentence for people, and what was read of the body."""

    reason: str
    detail: str = ""
    size: int = 0
    sha256: str = ""


@dataclass(slots=True)
class _Minute:
    begun: float = field(default_factory=time.monotonic)
    kept: int = 0
    suppressed_count: int = 0


_lock = threading.Lock()
_minutes: dict[UUID, _Minute] = {}


def record_rejection(source_id: UUID, refusal: Refusal, headers: dict[str, str], address: str) -> None:
    """Keep this refusal, or only count it. ``headers`` are without credentials already."""
    suppressed_count = _take_turn(source_id)
    if suppressed_count is None:
        return
    with suppress(Error):
        Rejection.objects.create(
            source_id=source_id,
            reason=refusal.reason[:64],
            detail=refusal.detail.replace("\0", "")[:512],
            headers=headers,
            remote_address=address,
            size=refusal.size,
            sha256=refusal.sha256,
            suppressed_count=suppressed_count,
            **_last_good(source_id),
        )


def _last_good(source_id: UUID) -> dict[str, Any]:
    """Which secret the last message that was believed was signed with, and when: what has changed since?"""
    receipt = Receipt.objects.filter(source_id=source_id).order_by("-id").values("secret_id", "received_at").first()
    return {"last_valid_secret_id": receipt["secret_id"], "last_valid_at": receipt["received_at"]} if receipt else {}


def _take_turn(source_id: UUID) -> int | None:
    """How many went uncounted before this one, if it may be kept; else None."""
    with _lock:
        minute = _minutes.get(source_id)
        if minute is None or time.monotonic() - minute.begun >= 60:
            minute = _minutes[source_id] = _Minute(suppressed_count=minute.suppressed_count if minute else 0)
        if minute.kept >= PER_MINUTE:
            minute.suppressed_count += 1
            return None
        minute.kept += 1
        suppressed_count, minute.suppressed_count = minute.suppressed_count, 0
        return suppressed_count


def reset_samples() -> None:
    """Begin every source's minute anew."""
    _minutes.clear()
