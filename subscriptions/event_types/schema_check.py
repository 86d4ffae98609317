"""Check published events against the schema of their type, from a snapshot of the event types in memory.

Each process compares the version of the event types with its snapshot once a second (triggers raise that version); the
process that changed a type clears its cache at once. Schemas are compiled when the first event of their type arrives.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Q

from subscriptions.event_types.models import EventType, SchemaCheckMode
from subscriptions.event_types.schemas import CompiledSchema, Violation, compile_schema, find_violations
from webhooks.kit.timed_cache import TimedCache
from webhooks.wire.cloudevents.event import Event

MAX_CHECKS = 10_000  # event types in memory


@dataclass(frozen=True, slots=True)
class SchemaViolations:
    """Hold how an event differs from a version of its schema, and whether that rejects the event."""

    version: int
    rejects: bool
    violations: tuple[Violation, ...]


@dataclass(slots=True)
class SchemaCheck:
    """Check events of one type against the versions of its schema."""

    mode: str
    version: int  # the current one
    schemas: Mapping[int, Any]  # documents by version
    urls: Mapping[str, int]  # versions by what an event's `dataschema` may say
    _compiled: dict[int, CompiledSchema] = field(default_factory=dict)

    def check(self, event: Event) -> SchemaViolations | None:
        """Return how the event differs from the version named by its ``dataschema``, else from the current one."""
        version = self.urls.get(event.attributes.get("dataschema", ""), self.version)
        if version not in self._compiled:
            self._compiled[version] = compile_schema(self.schemas[version])
        found = self._violations(self._compiled[version], event)
        return SchemaViolations(version, self.mode == SchemaCheckMode.ENFORCE, tuple(found)) if found else None

    def _violations(self, schema: CompiledSchema, event: Event) -> list[Violation]:
        if not event.has_data:
            return [Violation("", "The event has no data, but its type has a schema.")]
        if not event.is_json:
            return [Violation("", "The data is not JSON, but the type has a schema.")]
        return find_violations(schema, event.value)


class _Snapshot:
    """Hold what was read at one version of the event types."""

    def __init__(self) -> None:
        self.names = frozenset(EventType.objects.filter(version__gt=0).values_list("name", flat=True))
        self.checks: dict[tuple[UUID, str], SchemaCheck | None] = {}


_snapshots: dict[int, _Snapshot] = {}  # by version; older ones are dropped


def check(tenant_id: UUID, event: Event) -> SchemaViolations | None:
    """Return how an event differs from the schema of its type; None if it matches or no schema applies."""
    snapshot = _current_snapshot()
    name = event.attributes["type"]
    if name not in snapshot.names:
        return None
    key = (tenant_id, name)
    if key not in snapshot.checks:
        if len(snapshot.checks) >= MAX_CHECKS:
            snapshot.checks.clear()
        snapshot.checks[key] = _load(tenant_id, name)
    found = snapshot.checks[key]
    return None if found is None else found.check(event)


def clear_cache() -> None:
    """Drop the snapshot, so that the next event reads the event types again."""
    _version.clear()
    _snapshots.clear()


def schema_url(name: str, version: int) -> str:
    """Return the URL of a schema version in the catalogue, which an event may name in its ``dataschema``."""
    return f"{settings.PUBLIC_URL}/catalogue/{name}/{version}.json"


def _current_snapshot() -> _Snapshot:
    version = _version.get("")
    snapshot = _snapshots.get(version)
    if snapshot is None:
        _snapshots.clear()
        snapshot = _snapshots[version] = _Snapshot()
    return snapshot


def _read_version(_: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(version), 0) FROM subscriptions_event_types_version")
        return int(cursor.fetchone()[0])


_version = TimedCache(_read_version)


def _load(tenant_id: UUID, name: str) -> SchemaCheck | None:
    """Read the tenant's own type of this name, else the deployment's."""
    rows = EventType.objects.filter(Q(tenant=None) | Q(tenant=tenant_id), name=name).prefetch_related("schemas")
    row = min(rows, key=lambda it: it.tenant_id is None, default=None)
    if row is None or not row.version or row.schema_check == SchemaCheckMode.OFF:
        return None
    schemas = {it.version: it.document for it in row.schemas.all()}
    urls = {schema_url(name, version): version for version in schemas}
    urls |= {schema["$id"]: version for version, schema in schemas.items() if "$id" in schema}
    return SchemaCheck(row.schema_check, row.version, schemas, urls)
