"""Keys that senders publish, fetched once and remembered: what stands between a scheme and the network.

A door asks for a key with every message, so what was fetched is good for ``FRESH`` seconds. A scheme that misses a
key in it asks again with ``newer``; that leads to the network once in ``PATIENCE`` seconds and URL at most, whoever
asks, so that a flood of tokens with invented key names is no flood at the publisher. If the publisher cannot be
reached, what it said before counts for ``STALE`` seconds more.

One thread fetches, the others wait for it. Addresses are guarded and redirects not followed: see ``egress``.
"""

import threading
import time
from dataclasses import dataclass, field

from webhooks.kit.group_commit import aside
from webhooks.outgoing.guarded_call import CallFailed, ForbiddenAddress, call
from webhooks.wire.errors import KeysUnavailable

FRESH = 600.0  # seconds
RETRY = 5.0  # seconds between two tries while nothing is known
PATIENCE = 30.0  # seconds
STALE = 86_400.0  # seconds
TIMEOUT = 5.0  # seconds; a sender is waiting
MOST = 1000  # URLs remembered; at more, all are forgotten


@dataclass(slots=True)
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    document: bytes | None = None
    fetched_at: float = 0.0
    asked_at: float | None = None
    problem: str = ""

    def is_good(self, now: float, newer: bool) -> bool:
        """Need the publisher not be asked?"""
        patience = RETRY if self.document is None else PATIENCE
        if self.asked_at is not None and now - self.asked_at < patience:
            return True
        return self.document is not None and not newer and now - self.fetched_at < FRESH


_slots: dict[str, _Slot] = {}


def fetch_keys(url: str, *, newer: bool = False) -> bytes:
    """What stands at the URL, at most ``FRESH`` seconds old; with ``newer`` at most ``PATIENCE``. Raises
    KeysOutOfReach."""
    slot = _slot(url)
    if slot.lock.locked() or not slot.is_good(time.monotonic(), newer):
        aside(lambda: _refresh(url, slot, newer))
    if slot.document is None or time.monotonic() - slot.fetched_at > STALE:
        raise KeysUnavailable(slot.problem)
    return slot.document


def clear_keys() -> None:
    """Forget every key: the next message has them fetched."""
    _slots.clear()


def _slot(url: str) -> _Slot:
    if len(_slots) >= MOST and url not in _slots:
        _slots.clear()
    return _slots.setdefault(url, _Slot())


def _refresh(url: str, slot: _Slot, newer: bool) -> None:
    with slot.lock:
        now = time.monotonic()
        if not slot.is_good(now, newer):
            slot.asked_at = now
            _ask(url, slot, now)


def _ask(url: str, slot: _Slot, now: float) -> None:
    try:
        answer = call("GET", url, headers={"Accept": "application/json, */*"}, timeout=TIMEOUT)
    except (ForbiddenAddress, CallFailed) as error:
        slot.problem = str(error) or str(type(error).__doc__)
        return
    if answer.status != 200 or answer.truncated:
        slot.problem = f"the answer was {answer.status}" + (", and too long" if answer.truncated else "")
        return
    slot.document, slot.fetched_at, slot.problem = answer.body, now, ""
