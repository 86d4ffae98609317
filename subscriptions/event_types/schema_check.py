"""The picture of the event types that publishing asks: is there a schema for this event, and does it fit?

Every process looks once a second whether any type has changed (a number kept by triggers); the process that made
the change knows at once. A type is read, and its schemas compiled, when the first event of its name comes.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Q

from subscriptions.event_types.models import EventType, SchemaCheck
from subscriptions.event_types.schemas import Compiled, Violation, compiled, violations
from webhooks.wire.cloudevents.event import Event

__all__ = ["Contract", "Finding", "forget", "judge", "schema_url"]

LOOK_EVERY = 1.0  # seconds
MOST_KEPT = 10_000  # contracts in memory


@dataclass(frozen=True, slots=True)
class Finding:
    """An event does not fit its type: in which version, where, and whether that is a refusal."""

    version: int
    refuses: bool
    violations: tuple[Violation, ...]


@dataclass(slots=True)
class Contract:
    """One event type as publishing sees it."""

    check: str
    version: int
    schemas: Mapping[int, Any]
    addresses: Mapping[str, int]  # by which an event names a version in `dataschema`
    compiled: dict[int, Compiled] = field(default_factory=dict)  # each when it is first needed

    def judge(self, event: Event) -> Finding | None:
        """None: it fits. An event that names a version in its `dataschema` is held to that one."""
        version = self.addresses.get(event.attributes.get("dataschema", ""), self.version)
        if version not in self.compiled:
            self.compiled[version] = compiled(self.schemas[version])
        found = self._violations(self.compiled[version], event)
        return Finding(version, self.check == SchemaCheck.ENFORCE, tuple(found)) if found else None

    def _violations(self, schema: Compiled, event: Event) -> list[Violation]:
        if not event.has_data:
            return [Violation("", "There is no data, and the type has a schema.")]
        if not event.is_json:
            return [Violation("", "The data is not JSON, and the type has a schema.")]
        return violations(schema, event.value)


class _Picture:
    """What was read at one version of the types."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.looked_at = time.monotonic()
        self.names = frozenset(EventType.objects.filter(version__gt=0).values_list("name", flat=True))
        self.known: dict[tuple[UUID, str], Contract | None] = {}


_picture: _Picture | None = None


def judge(tenant_id: UUID, event: Event) -> Finding | None:
    """What is wrong with this event by its type; None: nothing, or nobody says what would be right."""
    picture = _current()
    name = event.attributes["type"]
    if name not in picture.names:
        return None
    key = (tenant_id, name)
    if key not in picture.known:
        if len(picture.known) >= MOST_KEPT:
            picture.known.clear()
        picture.known[key] = _contract(tenant_id, name)
    contract = picture.known[key]
    return None if contract is None else contract.judge(event)


def forget() -> None:
    """Look again at the next event."""
    global _picture
    _picture = None


def schema_url(name: str, version: int) -> str:
    """Where the schema of a version of a deployment's type can be read, and what an event may say in `dataschema`."""
    return f"{settings.PUBLIC_URL}/catalogue/{name}/{version}.json"


def _current() -> _Picture:
    global _picture
    picture = _picture
    if picture is None or time.monotonic() - picture.looked_at > LOOK_EVERY:
        version = _version()
        if picture is None or picture.version != version:
            picture = _picture = _Picture(version)
        else:
            picture.looked_at = time.monotonic()
    return picture


def _version() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(version), 0) FROM subscriptions_event_types_version")
        return int(cursor.fetchone()[0])


def _contract(tenant_id: UUID, name: str) -> Contract | None:
    """That of the tenant's own type, else of the deployment's."""
    rows = EventType.objects.filter(Q(tenant=None) | Q(tenant=tenant_id), name=name).prefetch_related("schemas")
    row = min(rows, key=lambda it: it.tenant_id is None, default=None)
    if row is None or not row.version or row.schema_check == SchemaCheck.OFF:
        return None
    schemas = {it.version: it.document for it in row.schemas.all()}
    addresses = {schema_url(name, version): version for version in schemas}
    for version, schema in schemas.items():
        if "$id" in schema:
            addresses[schema["$id"]] = version
    return Contract(row.schema_check, row.version, schemas, addresses)
