"""The results of publishing: one ``Published`` per event, with an error if the event was not accepted."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from delivery.models import Event
from subscriptions.errors import LimitExceeded
from subscriptions.event_types.json_schema.schema_check import SchemaViolations
from subscriptions.event_types.schemas import Violation
from webhooks.wire.bodies.storable_text import storable
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.ids import public

OF_TYPE = "#/type"  # pointer of a warning about the type of an event; the others point into its data


class SchemaMismatch(InvalidEvent):
    """The data violates the schema of an event type that rejects violations; ``finding`` lists them."""

    def __init__(self, finding: SchemaViolations) -> None:
        first = finding.violations[0]
        super().__init__("data", f"does not match the schema at {first.pointer or 'the root'}: {first.detail}")
        self.finding = finding


class UnknownTenantNamed(InvalidEvent):
    """The event names a tenant that does not exist, or (``is_foreign``) another one than the key's own."""

    def __init__(self, name: str, *, is_foreign: bool = False) -> None:
        super().__init__("tenant", f"There is no tenant {name!r}.")
        self.name = name
        self.is_foreign = is_foreign


class ContentConflict(InvalidEvent):
    """An event with the same source and id, but other content, was published before. The API responds 409."""


class EventLimitExceeded(InvalidEvent):
    """The event is valid, but exceeds a limit of the platform or of the tenant's plan; ``exceeded`` says which."""

    def __init__(self, exceeded: LimitExceeded) -> None:
        super().__init__("data" if exceeded.limit == "max_event_bytes" else "", exceeded.message)
        self.exceeded = exceeded


def rejection_reason(error: InvalidEvent) -> str:
    """Return why an event was not accepted, as a label of the metrics: conflict, too_large, over_plan or invalid."""
    if isinstance(error, EventLimitExceeded):
        return "too_large" if error.exceeded.limit == "max_event_bytes" else "over_plan"
    return "conflict" if isinstance(error, ContentConflict) else "invalid"


class PublishError(ValueError):
    """An event was not published. The message names the event, if there are several, the member and what is wrong.

    ``error`` is the reason, ``index`` the position of the event, ``member`` the part that is wrong: an attribute, or a
    path such as ``data.lines[0].total``; empty for the event as a whole.
    """

    def __init__(self, error: InvalidEvent, index: int, count: int) -> None:
        where = f"event {index} of {count}: " if count > 1 else ""
        super().__init__(f"{where}{error.attribute or 'the event'} {error.reason}")
        self.error = error
        self.index = index
        self.member = error.attribute


@dataclass(frozen=True, slots=True)
class Published:
    """The result of publishing one event.

    ``key`` is the primary key of its row. With an ``error`` nothing was written, and ``key`` is None; for a
    ContentConflict it is that of the first event. ``source`` and ``event_id`` are the attributes of the CloudEvent.
    ``deliveries`` is the number that the event has, created by this call or, for a duplicate, by the first one; none
    yet if the fan-out ``is_deferred`` to a worker, or the event ``is_scheduled`` for its time of delivery.
    ``warnings``: a type that is not in the catalogue, and schema violations, where they are tolerated.
    """

    key: UUID | None
    source: str = ""
    event_id: str = ""
    duplicate: bool = False
    deliveries: int = 0
    is_deferred: bool = False
    is_scheduled: bool = False
    error: InvalidEvent | None = None
    warnings: tuple[Violation, ...] = ()

    @property
    def id(self) -> str | None:
        """Return the public id (``evt_...``), which the API, the admin and ``webhook-id`` show."""
        return None if self.key is None else public(Event.prefix, self.key)

    @property
    def routing(self) -> str:
        """Return ``scheduled`` before its time, ``deferred`` if a worker has to create deliveries, else ``routed``."""
        if self.is_scheduled:
            return Event.Routing.SCHEDULED
        return Event.Routing.DEFERRED if self.is_deferred else Event.Routing.ROUTED


def warning_list(violations: Sequence[Violation]) -> list[dict[str, str]]:
    """Return violations as they are stored and shown, with pointers into the event instead of its data."""
    return [
        {
            "pointer": storable(it.pointer if it.pointer == OF_TYPE else f"#/data{it.pointer}"),
            "detail": storable(it.detail),
        }
        for it in violations
    ]
