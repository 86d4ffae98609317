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
    unrecorded: int = 0


_lock = threading.Lock()
_minutes: dict[UUID, _Minute] = {}


def record(source_id: UUID, refusal: Refusal, headers: dict[str, str], address: str) -> None:
    """Keep this refusal, or only count it. ``headers`` are without credentials already."""
    unrecorded = _take_turn(source_id)
    if unrecorded is None:
        return
    with suppress(Error):
        Rejection.objects.create(
            source_id=source_id,
            reason=refusal.reason[:64],
            detail=refusal.detail.replace("\0", "")[:512],
            headers=headers,
            address=address,
            size=refusal.size,
            sha256=refusal.sha256,
            unrecorded=unrecorded,
            **_last_good(source_id),
        )


def _last_good(source_id: UUID) -> dict[str, Any]:
    """Which secret the last message that was believed was signed with, and when: what has changed since?"""
    receipt = Receipt.objects.filter(source_id=source_id).order_by("-id").values("secret_id", "received_at").first()
    return {"last_good_secret_id": receipt["secret_id"], "last_good_at": receipt["received_at"]} if receipt else {}


def _take_turn(source_id: UUID) -> int | None:
    """How many went uncounted before this one, if it may be kept; else None."""
    with _lock:
        minute = _minutes.get(source_id)
        if minute is None or time.monotonic() - minute.begun >= 60:
            minute = _minutes[source_id] = _Minute(unrecorded=minute.unrecorded if minute else 0)
        if minute.kept >= PER_MINUTE:
            minute.unrecorded += 1
            return None
        minute.kept += 1
        unrecorded, minute.unrecorded = minute.unrecorded, 0
        return unrecorded


def forget() -> None:
    """Begin every source's minute anew."""
    _minutes.clear()
