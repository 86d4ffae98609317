"""Those who publish at the same moment in the same process share one transaction.

Writing an event down costs a round trip or three and a flush of the disk, whether it is one or fifty. So whoever
publishes stands in line, and a writer, a thread with its own connection, writes all who stand there at once; who
comes meanwhile is written with the next. Alone, nobody waits for company. Only the events of one tenant go
together, and only small numbers: a batch is a group already.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import accumulate, takewhile
from threading import Event as Flag
from threading import Lock
from typing import Any, Protocol
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from delivery import telemetry
from delivery.publishing.publisher import Published, publish
from subscriptions.models import Tenant
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.errors import InvalidEvent

__all__ = ["publish_together"]

SMALL = 10  # events of one caller; more go by themselves
MOST = 200  # events in one transaction
WRITERS = 8  # tenants written for at the same time; each may hold a connection

Item = Event | InvalidEvent | Mapping[str, Any]


class Waiting(Protocol):
    """What a caller waits with: as ``threading.Event``."""

    def set(self) -> None: ...

    def wait(self) -> object: ...


new_flag: Callable[[], Waiting] = Flag
"""A server whose threads have something else to do meanwhile puts its own here (see ``config.web.crew``)."""


@dataclass(slots=True)
class _Part:
    """What one caller publishes. Woken with its results or with an error."""

    items: Sequence[Item]
    max_bytes: int | None = None
    woken: Waiting = field(default_factory=lambda: new_flag())
    results: list[Published] | None = None
    error: Exception | None = None


_lock = Lock()
_lines: dict[UUID, list[_Part]] = {}  # by tenant: who waits. There is one while a writer is at it
_writers = ThreadPoolExecutor(WRITERS, "publish")


def publish_together(tenant: Tenant, items: Sequence[Item], *, max_bytes: int | None = None) -> list[Published]:
    """``publish``; who is in a transaction of its own writes by itself, in there. Raises what it raises."""
    if len(items) > SMALL or connection.in_atomic_block:
        return publish(tenant, items, max_bytes=max_bytes)
    part = _Part(items, max_bytes)
    with _lock:
        is_first = tenant.id not in _lines
        _lines.setdefault(tenant.id, []).append(part)
    if is_first:
        try:
            _writers.submit(_write_line, tenant)
        except RuntimeError:  # no thread is to be had, or the process is ending
            _write_line(tenant)
    part.woken.wait()
    return _outcome(tenant, part)


def _write_line(tenant: Tenant) -> None:
    """Write for this tenant until nobody waits."""
    while parts := _who_wait(tenant.id):
        rings: list[Callable[[], None]] = []
        _write(tenant, parts, rings)
        for part in parts:
            part.woken.set()
        _ring(rings)


def _ring(rings: Sequence[Callable[[], None]]) -> None:
    """Nobody has to wait for that. It never raises; if it did, nobody would write for those who come."""
    try:
        for ring in rings:
            ring()
    except Exception:
        telemetry.ring_failed("writer")


def _who_wait(tenant_id: UUID) -> list[_Part]:
    """The first of the line, as many as go together. There is no line any more if nobody stands in it."""
    with _lock:
        line = _lines.pop(tenant_id, [])
        totals = accumulate(len(part.items) for part in line)
        count = sum(1 for _ in takewhile(lambda total: total <= MOST, totals))
        if line:
            _lines[tenant_id] = line[count:]
        return line[:count]


def _write(tenant: Tenant, parts: list[_Part], rings: list[Callable[[], None]]) -> None:
    try:
        connection.close_if_unusable_or_obsolete()  # as Django does between requests
        items = [item for part in parts for item in part.items]
        results = publish(tenant, items, max_bytes=parts[0].max_bytes, later=rings)
    except BaseException as error:
        for part in parts:
            part.error = error if isinstance(error, Exception) else OperationalError("the writer was stopped")
        return
    begin = 0
    for part in parts:
        part.results = results[begin : begin + len(part.items)]
        begin += len(part.items)


def _outcome(tenant: Tenant, part: _Part) -> list[Published]:
    if part.results is not None:
        return part.results
    if isinstance(part.error, OperationalError | InterfaceError):
        raise part.error
    # What somebody minds may be somebody else's: each for itself.
    return publish(tenant, part.items, max_bytes=part.max_bytes)
