"""Those who publish at the same moment in the same process share one transaction.

Writing an event down costs a round trip or three and a flush of the disk, whether it is one or fifty. So the first
who comes writes at once; who comes meanwhile waits, and is written together with everybody else who waits, by one of
them. Alone, nobody waits for anything. Only the events of one tenant go together, and only small numbers: a batch
is a group already.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Lock
from typing import Any
from uuid import UUID

from django.db import DatabaseError, InterfaceError, OperationalError, connection

from delivery.publish import Published, publish
from subscriptions.models import Tenant
from webhooks.protocol.errors import InvalidEvent
from webhooks.protocol.event import Event

__all__ = ["publish_together"]

SMALL = 10  # events of one caller; more go by themselves
MOST = 200  # events in one transaction

Item = Event | InvalidEvent | Mapping[str, Any]


@dataclass(slots=True)
class _Part:
    """What one caller publishes. Woken with its results, with an error, or with neither: then it leads."""

    items: Sequence[Item]
    max_bytes: int | None = None
    woken: Flag = field(default_factory=Flag)
    results: list[Published] | None = None
    error: Exception | None = None


_lock = Lock()
_queues: dict[UUID, list[_Part]] = {}  # by tenant; there is one while somebody writes, and who waits stands in it


def publish_together(tenant: Tenant, items: Sequence[Item], *, max_bytes: int | None = None) -> list[Published]:
    """``publish``; who is in a transaction of its own writes by itself, in there. Raises what it raises."""
    if len(items) > SMALL or connection.in_atomic_block:
        return publish(tenant, items, max_bytes=max_bytes)
    part = _Part(items, max_bytes)
    if not _leads(tenant.id, part):
        part.woken.wait()
    if part.results is None and part.error is None:
        _lead(tenant, part)
    return _outcome(tenant, part)


def _leads(tenant_id: UUID, part: _Part) -> bool:
    """True if nobody is writing for this tenant. Else the part stands in line."""
    with _lock:
        if tenant_id not in _queues:
            _queues[tenant_id] = []
            return True
        _queues[tenant_id].append(part)
        return False


def _lead(tenant: Tenant, own: _Part) -> None:
    """Write the own part with those who wait, and let one of those who came meanwhile lead next."""
    parts = [own, *_who_wait(tenant.id)]
    rings: list[Callable[[], None]] = []
    try:
        _write(tenant, parts, rings)
    finally:
        _hand_over(tenant.id)
        for part in parts:
            part.woken.set()
    for ring in rings:  # nobody has to wait for that
        ring()


def _who_wait(tenant_id: UUID) -> list[_Part]:
    with _lock:
        waiting = _queues[tenant_id]
        most = MOST // SMALL
        _queues[tenant_id] = waiting[most:]
        return waiting[:most]


def _hand_over(tenant_id: UUID) -> None:
    with _lock:
        if _queues[tenant_id]:
            _queues[tenant_id].pop(0).woken.set()
        else:
            del _queues[tenant_id]


def _write(tenant: Tenant, parts: list[_Part], rings: list[Callable[[], None]]) -> None:
    try:
        items = [item for part in parts for item in part.items]
        results = publish(tenant, items, max_bytes=parts[0].max_bytes, later=rings)
    except BaseException as error:
        for part in parts:
            part.error = error if isinstance(error, Exception) else OperationalError("the writer was stopped")
        if not isinstance(error, Exception):
            raise
        return
    begin = 0
    for part in parts:
        part.results = results[begin : begin + len(part.items)]
        begin += len(part.items)


def _outcome(tenant: Tenant, part: _Part) -> list[Published]:
    if part.results is not None:
        return part.results
    if isinstance(part.error, DatabaseError) and not isinstance(part.error, OperationalError | InterfaceError):
        # What the database minds may be somebody else's: each for itself.
        return publish(tenant, part.items, max_bytes=part.max_bytes)
    raise part.error or RuntimeError("woken without anything")
