"""Prepare events for storing: complete the plain form, check limits and schema, mask, compute the digest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from delivery.fan_out.deliveries import NewDelivery
from delivery.publishing import delivery_time
from delivery.publishing.event_data import write_data
from delivery.publishing.plain_form import EXTENSIONS, MEMBERS, all_faults, read_attributes
from delivery.publishing.results import OF_TYPE, EventLimitExceeded, SchemaMismatch
from subscriptions.errors import LimitExceeded
from subscriptions.event_types.indexed_paths import indexed_values
from subscriptions.event_types.json_schema import schema_check
from subscriptions.event_types.json_schema.schema_check import SchemaViolations
from subscriptions.event_types.masks import apply_masks, masks_of
from subscriptions.event_types.schemas import Violation
from subscriptions.event_types.unknown_types import check_known
from subscriptions.masking.keys import keyed_digest, known_keyed_digest
from subscriptions.models import Tenant
from subscriptions.routing.type_names import OPERATIONAL, TEST_TYPE, is_event_type
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import write_structured
from webhooks.wire.errors import InvalidAttributes, InvalidEvent
from webhooks.wire.ids import URN, new_id, public

MAX_EXTENSION_BYTES = 4096  # of any other attribute: in binary mode it is a header, and servers limit these
MAX_ATTRIBUTES_BYTES = 16 * 1024  # of all names and values
RESERVED_TYPE = f"must not begin with {OPERATIONAL}, which is reserved for the events of the platform itself"
UNNAMED_TYPE = "must not contain *, or blanks at the ends, so that subscriptions can name it"
OF_OTHER_KINDS = (EventLimitExceeded, SchemaMismatch)  # errors that are no fault of an attribute
# The sizes that fit into an index entry.
MAX_ATTRIBUTE_BYTES = {"id": 512, "source": 1024, "type": 256, "subject": 1024, "partitionkey": 512}

Item = Event | InvalidEvent | Mapping[str, Any]
"""An item to publish: an event, a mapping in the plain form, or the error of an event that could not be read."""


@dataclass(slots=True)
class PreparedEvent:
    """An event that is ready to be stored.

    The fan-out sets ``deliveries``, or ``deferred`` (a DeferredFanOut.Reason) if a worker has to create them;
    ``is_ordered``: whether a deferred event may go to ordered endpoints. An event with ``deliver_at`` has neither.
    ``grants``: those that may share it.

    ``values``: path and text of each value by which it can be found, as they are stored.

    ``event``: as it is stored: masked if its type has masks. ``original`` is what was published then, and
    ``keeps_original`` whether it is stored too, encrypted. ``plain_digest``: of what was published; ``digest``: the
    same, keyed if the event is masked, so that the masked values cannot be guessed from it.
    """

    key: UUID
    event: Event
    plain_digest: bytes
    digest: bytes
    body: bytes
    deliveries: list[NewDelivery] = field(default_factory=list)
    deferred: str | None = None
    is_ordered: bool = False
    finding: SchemaViolations | None = None
    unknown_type: str = ""
    deliver_at: datetime | None = None
    grants: list[UUID] = field(default_factory=list)
    original: Event | None = None
    keeps_original: bool = False
    traceparent: str | None = None
    values: list[tuple[str, str]] = field(default_factory=list)

    def has_digest(self, tenant_id: UUID, stored: bytes) -> bool:
        """Return whether a stored event is a repeat of this one, whether or not the type was masked at either time."""
        return stored in (self.digest, self.plain_digest) or stored == known_keyed_digest(tenant_id, self.plain_digest)

    @property
    def warnings(self) -> tuple[Violation, ...]:
        """List what is tolerated: a type that is not in the catalogue, violations of the schema."""
        own = (Violation(OF_TYPE, self.unknown_type),) if self.unknown_type else ()
        return (*own, *self.finding.violations) if self.finding else own

    @property
    def name(self) -> tuple[str, str]:
        """Source and id, which identify the event within its tenant."""
        return self.event.attributes["source"], self.event.attributes["id"]


def prepare(
    tenant: Tenant,
    item: Item,
    max_bytes: int,
    *,
    is_json: bool = True,
    is_masked: bool = True,
) -> PreparedEvent:
    """Return the event, completed and checked. Raises InvalidEvent, also its subclasses in ``results``.

    ``is_json``: whether data in the plain form was parsed from JSON, so that it need not be checked.
    ``is_masked``: whether the masks of its type are applied.
    """
    if isinstance(item, InvalidEvent):
        raise item
    if not isinstance(item, (Event, Mapping)):
        raise InvalidEvent(
            "", f"must be a mapping such as {{'type': 'order.paid', 'data': ...}}, not {type(item).__name__}"
        )
    try:
        return _prepared(tenant, item, max_bytes, is_json=is_json, is_masked=is_masked)
    except OF_OTHER_KINDS:
        raise
    except InvalidEvent as error:
        raise with_all_faults(item, error) if isinstance(item, Mapping) else error from None


def _prepared(
    tenant: Tenant, item: Event | Mapping[str, Any], max_bytes: int, *, is_json: bool, is_masked: bool
) -> PreparedEvent:
    key = new_id()
    deliver_at, item = _take_delivery_time(item)
    given: Mapping[str, Any]
    if isinstance(item, Event):
        event, given = item, item.attributes
    else:
        event, given = _completed(tenant, key, item, is_json=is_json)
    if deliver_at is not None:
        given = {**given, delivery_time.MEMBER: delivery_time.in_text(deliver_at)}
    _check_names(event.attributes)
    unknown = "" if event.attributes["type"] == TEST_TYPE else check_known(tenant, event.attributes["type"])
    _check_sizes(event.attributes)
    body = _written(event, max_bytes)
    finding = schema_check.check(tenant.id, event)
    if finding is not None and finding.rejects:
        raise SchemaMismatch(finding)
    plain_digest = digest = _digest(given, event.data)
    original = None
    masks = masks_of(tenant.id, event.attributes["type"]) if is_masked else ()
    if masks:
        original, event = event, apply_masks(tenant.id, event, masks)
        body = _written(event, max_bytes)
        digest = keyed_digest(tenant.id, plain_digest)
    return PreparedEvent(
        key,
        event,
        plain_digest,
        digest,
        body,
        finding=finding,
        unknown_type=unknown,
        deliver_at=deliver_at,
        original=original,
        values=indexed_values(tenant.id, event),
    )


def _written(event: Event, max_bytes: int) -> bytes:
    """Return the structured JSON of an event. Raises EventLimitExceeded."""
    body = write_structured(event)
    if len(body) > max_bytes:
        message = f"An event may have at most {max_bytes} bytes; this one has {len(body)}."
        raise EventLimitExceeded(LimitExceeded("max_event_bytes", message, allowed=max_bytes, used=len(body)))
    return body


def with_all_faults(plain: Mapping[str, Any], error: InvalidEvent) -> InvalidEvent:
    """Return the error for an event in the plain form with all its faults, the one that was found first.

    Values of extensions are named by their paths.
    """
    faults = dict(error.faults)
    if isinstance(plain.get(EXTENSIONS), Mapping) and error.attribute in plain[EXTENSIONS].keys() - MEMBERS:
        faults = {f"{EXTENSIONS}.{error.attribute}": faults[error.attribute]}
    others = all_faults({name: value for name, value in plain.items() if name != delivery_time.MEMBER})
    steps: list[Callable[[], object]] = [lambda: _check_type(str(plain.get("type")))]
    if delivery_time.MEMBER in plain:
        steps.append(lambda: delivery_time.take_from_plain(plain))
    for step in steps:
        try:
            step()
        except InvalidEvent as another:
            others = {**another.faults, **others}
    faults.update({name: fault for name, fault in others.items() if name not in faults})
    return InvalidAttributes(faults, error.index)


def _take_delivery_time(item: Event | Mapping[str, Any]) -> tuple[datetime | None, Event | Mapping[str, Any]]:
    """Return when the event is to be delivered (None: now), and the event without that."""
    if isinstance(item, Event):
        return delivery_time.take_from_event(item) if delivery_time.ATTRIBUTE in item.attributes else (None, item)
    return delivery_time.take_from_plain(item) if delivery_time.MEMBER in item else (None, item)


def _check_names(attributes: Mapping[str, str]) -> None:
    """Raise InvalidEvent for a type that cannot be published, and for attributes that look like a time of delivery."""
    _check_type(attributes["type"])
    for name in delivery_time.NO_ATTRIBUTES:
        if name in attributes:
            raise delivery_time.not_delaying(name)


def _check_type(event_type: str) -> None:
    if event_type.startswith(OPERATIONAL) and event_type != TEST_TYPE:
        raise InvalidEvent("type", RESERVED_TYPE)
    if not is_event_type(event_type):
        raise InvalidEvent("type", UNNAMED_TYPE)


def _check_sizes(attributes: Mapping[str, str]) -> None:
    total = 0
    for name, value in attributes.items():
        size = len(value) if value.isascii() else len(value.encode())
        limit = MAX_ATTRIBUTE_BYTES.get(name, MAX_EXTENSION_BYTES)
        if size > limit:
            raise InvalidEvent(name, f"must not be longer than {limit} bytes")
        total += len(name) + size
    if total > MAX_ATTRIBUTES_BYTES:
        raise InvalidEvent("", f"has attributes of more than {MAX_ATTRIBUTES_BYTES} bytes; put them into the data")


def _completed(
    tenant: Tenant, key: UUID, plain: Mapping[str, Any], *, is_json: bool
) -> tuple[Event, Mapping[str, Any]]:
    """Return the event of a mapping in the plain form with defaults filled in, and the attributes that were given."""
    given = read_attributes(plain)
    filled = {
        "id": public("evt", key),
        "source": f"{URN}{tenant.public_id}",
        "time": current_time(),
        **given,
    }
    if "data" not in plain:
        return Event.of(filled), given
    if is_json:
        return Event.of(filled, plain["data"]), given
    envelope = Event.of(filled)
    return Event.with_json(envelope.attributes, write_data(plain["data"]), envelope.typed), given


def current_time() -> str:
    """Return the time of an event that is published now, as the attribute ``time`` has it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _digest(attributes: Mapping[str, Any], data: bytes | None) -> bytes:
    """Hash what the publisher gave: filled-in defaults differ when the same event is published again."""
    content = sha256(orjson.dumps(dict(attributes), option=orjson.OPT_SORT_KEYS))
    content.update(b"\0" if data is None else b"\1" + data)
    return content.digest()
