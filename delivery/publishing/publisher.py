"""Take events once, owe them to each endpoint once, ring.

``publish`` runs inside the caller's own transaction if there is one: the event and what it owes are then written if
and only if the caller's own changes are (the transactional outbox, with no second table). After the commit the
lanes are marked due and the bell is rung; if the process dies between the two, the sweep finds the debt.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import Error, connection, transaction

from delivery import notify, telemetry
from delivery.models import DeadLetter
from delivery.publishing.fan_out import Owing, owing
from delivery.sql.claim import LOW_WATER_MARGIN
from delivery.sql.dead_letters import DeadLetterRow, dead_letter
from delivery.sql.publish import (
    DeliveryRow,
    EventRow,
    WarningRow,
    find_events,
    insert_events,
    reset_due_times,
    store_warnings,
)
from subscriptions.errors import LimitExceeded
from subscriptions.event_types import schema_check
from subscriptions.event_types.schema_check import SchemaViolations
from subscriptions.event_types.schemas import Violation
from subscriptions.models import Tenant
from subscriptions.routing.route_table import RouteTable
from subscriptions.routing.snapshot import route_table
from webhooks.kit.notify import wakeup_failed
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import write_structured
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.ids import new_id, public

__all__ = ["Conflict", "OverLimit", "Published", "Unfit", "publish", "warning_list"]

# What an index entry has room for (bytes), and what a human can read.
LONGEST = {"id": 512, "source": 1024, "type": 256, "subject": 1024, "partitionkey": 512}

DAY = 86_400  # seconds
TRY_AGAIN, PAUSE = 5.0, 0.1  # seconds: for how long, and how often; a restart of the database takes about one


class Unfit(InvalidEvent):
    """An event whose data does not fit the schema of its type, where the type insists. ``finding`` says where."""

    def __init__(self, finding: SchemaViolations) -> None:
        first = finding.violations[0]
        super().__init__("data", f"does not fit its type at {first.pointer or 'the top'}: {first.detail}")
        self.finding = finding


class Conflict(InvalidEvent):
    """An event with this source and id was taken before, with other content."""


class OverLimit(InvalidEvent):
    """It is right in itself, and more than the platform or the tenant's plan allows; ``exceeded`` says of what."""

    def __init__(self, exceeded: LimitExceeded) -> None:
        super().__init__("data" if exceeded.limit == "max_event_bytes" else "", exceeded.message)
        self.exceeded = exceeded


@dataclass(frozen=True, slots=True)
class Published:
    """What became of one event. With an ``error`` nothing was written of it; ``id`` is then None, unless it is a
    Conflict: then it is the first one's. ``deliveries`` counts what is owed for it by this call; ``warnings``
    say where it does not fit the schema of its type."""

    id: UUID | None
    source: str = ""
    event_id: str = ""
    duplicate: bool = False
    deliveries: int = 0
    error: InvalidEvent | None = None
    warnings: tuple[Violation, ...] = ()


@dataclass(slots=True)
class _Taking:
    """An event on its way into the tables."""

    key: UUID
    event: Event
    digest: bytes
    body: bytes
    owed: list[Owing] = field(default_factory=list)
    finding: SchemaViolations | None = None

    @property
    def name(self) -> tuple[str, str]:
        return self.event.attributes["source"], self.event.attributes["id"]


_Taken = dict[tuple[str, str], tuple[UUID, bytes]]  # (source, id) -> key and digest of the event that has that name


def publish(
    tenant: Tenant,
    events: Sequence[Event | InvalidEvent | Mapping[str, Any]],
    *,
    max_bytes: int | None = None,
    later: list[Callable[[], None]] | None = None,
) -> list[Published]:
    """Take these events for a tenant; one result for each, in order. A bad one does not keep the others out.

    An event is an ``Event``, or a mapping in the plain form: ``type`` and ``data``, and as much of ``id``,
    ``source``, ``time``, ``subject`` and extensions as the publisher cares for. An InvalidEvent (an item of a
    batch that could not be read) is passed through as its own result. ``max_bytes`` of one event as it is sent: at
    most the platform's own limit, WAYPOST_MAX_EVENT_BYTES.

    Ringing follows the commit; with ``later`` what rings is put there, for the caller to call.

    Raises django.db.Error if the database does not take them: then none was taken. If it stays away for longer than
    TRY_AGAIN in the moment of the commit, nobody can know; published again under the same ids, they are taken once.
    """
    started = time.monotonic()
    results: list[Published | None] = [None] * len(events)
    takings: dict[int, _Taking] = {}
    most = min(max_bytes or settings.WAYPOST_MAX_EVENT_BYTES, settings.WAYPOST_MAX_EVENT_BYTES)
    for index, item in enumerate(events):
        try:
            takings[index] = _taking(tenant, item, most)
        except InvalidEvent as error:
            results[index] = Published(None, error=error)
    taken = _write(tenant, list(takings.values()))
    for index, taking in takings.items():
        results[index] = _result(taking, *taken[taking.name])
    new = [it for it in takings.values() if it.key == taken[it.name][0]]
    if any(it.owed for it in new):
        announce = partial(_announce, new, started)
        transaction.on_commit(announce if later is None else partial(later.append, announce))
    answers = [it for it in results if it is not None]
    refused = sum(it.error is not None for it in answers)
    telemetry.published(taken=len(new), duplicates=len(answers) - len(new) - refused, refused=refused)
    return answers


def _taking(tenant: Tenant, item: Event | InvalidEvent | Mapping[str, Any], max_bytes: int) -> _Taking:
    if isinstance(item, InvalidEvent):
        raise item
    key = new_id()
    given: Mapping[str, Any]
    if isinstance(item, Event):
        event, given = item, item.attributes
    else:
        event, given = _completed(tenant, key, item)
    for name, most in LONGEST.items():
        if len(event.attributes.get(name, "").encode()) > most:
            raise InvalidEvent(name, f"is longer than {most} bytes")
    body = write_structured(event)
    if len(body) > max_bytes:
        message = f"An event may have {max_bytes} bytes at most; this one has {len(body)}."
        raise OverLimit(LimitExceeded("max_event_bytes", message, allowed=max_bytes, used=len(body)))
    finding = schema_check.check(tenant.id, event)
    if finding is not None and finding.rejects:
        raise Unfit(finding)
    return _Taking(key, event, _digest(given, event.data), body, finding=finding)


def _completed(tenant: Tenant, key: UUID, plain: Mapping[str, Any]) -> tuple[Event, Mapping[str, Any]]:
    """The event in the plain form with what it may leave out filled in, and what was given of its attributes."""
    given = {name: value for name, value in plain.items() if name != "data" and value is not None}
    filled = {
        "id": public("evt", key),
        "source": f"urn:waypost:{tenant.public_id}",
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        **given,
    }
    if "data" not in plain:
        return Event.of(filled), given
    return Event.of(filled, plain["data"]), given


def _digest(attributes: Mapping[str, Any], data: bytes | None) -> bytes:
    content = sha256(orjson.dumps(dict(attributes), option=orjson.OPT_SORT_KEYS))
    content.update(b"\0" if data is None else b"\1" + data)
    return content.digest()


def _write(tenant: Tenant, takings: list[_Taking]) -> _Taken:
    """Write them under the version of the routes they were matched with. Who goes by their names now."""
    if not takings:
        return {}
    picture = route_table(tenant.id)
    kept_until = int(time.time()) + tenant.retention_days * DAY
    while True:
        for taking in takings:
            taking.owed = _owed(picture, taking, kept_until)
        taken = _surely(partial(_write_under, picture, tenant, takings))
        if taken is not None:
            return taken
        picture = route_table(tenant.id, stale=picture)


def _write_under(picture: RouteTable, tenant: Tenant, takings: list[_Taking]) -> _Taken | None:
    with _transaction(takings):
        new = insert_events(tenant.id, picture.version, _event_rows(takings), _delivery_rows(takings))
        if new is None:
            return None
        _bury_unrenderable(takings, new)
        store_warnings([row for it in takings if it.key in new for row in _warning_rows(it)])
    taken = {it.name: (it.key, it.digest) for it in takings if it.key in new}
    if repeats := [it.name for it in takings if it.key not in new]:
        taken |= find_events(tenant.id, repeats)
    return taken if all(name in taken for name in repeats) else None  # what was known a moment ago has been removed


def _transaction(takings: list[_Taking]) -> AbstractContextManager[object]:
    """One statement is a transaction of its own, and two round trips cheaper than one that says so. In the caller's
    transaction it is a savepoint, so that he may go on if it fails."""
    more = any(it.finding is not None or any(one.reason is not None for one in it.owed) for it in takings)
    return transaction.atomic() if more or connection.in_atomic_block else nullcontext()


def _surely(write: Callable[[], _Taken | None]) -> _Taken | None:
    """A connection that breaks leaves open whether the commit counted. Events are taken once, so writing the same
    again tells. In the caller's own transaction it is his to begin again."""
    is_ours = not connection.in_atomic_block
    until = time.monotonic() + TRY_AGAIN
    while True:
        used = None
        try:
            connection.ensure_connection()
            connection.health_check_done = True  # type: ignore[attr-defined]  # what follows finds out, a round trip less
            used = connection.connection
            return write()
        except Error:
            kept = used is not None and used is connection.connection and not used.closed
            if kept or not is_ours:
                raise
            connection.close()
            if time.monotonic() > until:
                raise
        time.sleep(PAUSE)


def _owed(picture: RouteTable, taking: _Taking, kept_until: int) -> list[Owing]:
    event = taking.event
    found = picture.find(event.attributes["type"], event.document)
    return [owing(route, event, taking.key, kept_until) for route in found]


def _event_rows(takings: list[_Taking]) -> list[EventRow]:
    # In the order of their keys, so that two batches that share some never wait for each other in a circle.
    rows = [
        EventRow(
            id=it.key,
            source=it.event.attributes["source"],
            event_id=it.event.attributes["id"],
            type=it.event.attributes["type"],
            subject=it.event.attributes.get("subject"),
            digest=it.digest,
            body=it.body,
        )
        for it in takings
    ]
    return sorted(rows, key=lambda row: (row.source, row.event_id))


def _delivery_rows(takings: list[_Taking]) -> list[DeliveryRow]:
    return [
        DeliveryRow(
            owed.key,
            it.key,
            owed.endpoint_id,
            owed.body,
            owed.state,
            owed.order_key,
            owed.thin,
        )
        for it in takings
        for owed in it.owed
    ]


def _bury_unrenderable(takings: list[_Taking], taken: set[UUID]) -> None:
    owed = [one for it in takings if it.key in taken for one in it.owed]
    dead_letter(
        [DeadLetterRow(one.key, DeadLetter.Cause.UNRENDERABLE, one.reason) for one in owed if one.reason is not None]
    )


def _warning_rows(taking: _Taking) -> Iterator[WarningRow]:
    if taking.finding is not None:
        yield WarningRow(taking.key, orjson.dumps(warning_list(taking.finding.violations)).decode())


def warning_list(violations: Sequence[Violation]) -> list[dict[str, str]]:
    """As they are kept with the event, and shown: pointers into the event."""
    return [{"pointer": f"#/data{it.pointer}", "detail": it.detail} for it in violations]


def _result(taking: _Taking, key: UUID, digest: bytes) -> Published:
    """``key`` and ``digest`` of the event that goes by this one's name now: itself, or one that came before."""
    source, event_id = taking.name
    if key == taking.key:
        warnings = taking.finding.violations if taking.finding else ()
        return Published(key, source, event_id, deliveries=len(taking.owed), warnings=warnings)
    if digest == taking.digest:
        return Published(key, source, event_id, duplicate=True)
    conflict = Conflict("id", "was taken before from this source, with other content")
    return Published(key, source, event_id, error=conflict)


def _announce(takings: list[_Taking], started: float) -> None:
    """After the commit: mark the lanes due and ring. Rows that were long in coming get a new due time first, for
    the lanes' low-water marks may have passed the old one. Never raises: the sweep would find them too."""
    owed = [one for it in takings for one in it.owed if one.reason is None]
    if time.monotonic() - started > LOW_WATER_MARGIN / 2:
        try:
            reset_due_times([one.key for one in owed])
        except Error as error:
            wakeup_failed("database", error)
    notify.notify_drains({one.endpoint_id for one in owed})
