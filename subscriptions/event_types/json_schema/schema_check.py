"""Check published events against the schema of their type, from a snapshot of the event types in memory.

A database trigger increases the version of the event types with every change. Each process uses a version that is at
most a second old and drops its snapshot if the version has changed; the process that changed a type drops its snapshot
at once. A schema is compiled when the first event to be checked against it arrives.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Q

from subscriptions.event_types.models import EventType, SchemaCheckMode
from subscriptions.event_types.schemas import CompiledSchema, Violation, compile_schema, find_violations
from webhooks.kit.caches.timed_cache import TimedCache
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.json_numbers import with_decimals

MAX_CACHED_CHECKS = 10_000  # pairs of tenant and event type in a snapshot


@dataclass(frozen=True, slots=True)
class SchemaViolations:
    """List how an event violates a version of its schema; ``rejects``: the event is not accepted because of that."""

    version: int
    rejects: bool
    violations: tuple[Violation, ...]


@dataclass(slots=True)
class SchemaCheck:
    """Check the events of one type against the versions of its schema."""

    mode: str
    version: int  # the current version
    schemas: Mapping[int, Any]  # JSON Schema documents by version
    urls: Mapping[str, int]  # versions by the URLs that an event may name in its `dataschema`
    is_masked: bool = False  # whether the type has masks, so that violations must not quote values
    _compiled: dict[int, CompiledSchema] = field(default_factory=dict)

    def check(self, event: Event) -> SchemaViolations | None:
        """Check an event against the version that its ``dataschema`` names, else the current one. None: it is valid."""
        version = self.urls.get(event.attributes.get("dataschema", ""), self.version)
        if version not in self._compiled:
            self._compiled[version] = compile_schema(self.schemas[version], quotes=not self.is_masked)
        found = self._violations(self._compiled[version], event)
        return SchemaViolations(version, self.mode == SchemaCheckMode.ENFORCE, tuple(found)) if found else None

    def _violations(self, schema: CompiledSchema, event: Event) -> list[Violation]:
        if not event.has_data:
            return [Violation("", "The event has no data, but its type has a schema.")]
        if not event.is_json:
            return [Violation("", "The data is not JSON, but the type has a schema.")]
        return find_violations(schema, with_decimals(event.value))


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Hold the names of an owner's types, also ordered by their beginning and by their end, in lower case."""

    all: frozenset[str]
    by_beginning: Sequence[tuple[str, str]]
    by_end: Sequence[tuple[str, str]]

    @classmethod
    def of(cls, names: Iterable[str]) -> "KnownNames":
        """Order these names."""
        found = frozenset(names)
        return cls(found, sorted((it.lower(), it) for it in found), sorted((it.lower()[::-1], it) for it in found))


class Snapshot:
    """Hold the names of the event types with a schema, and the checks loaded so far, at one version of the types."""

    def __init__(self) -> None:
        with_schema = EventType.objects.filter(version__gt=0)
        self.names = frozenset(with_schema.values_list("name", flat=True))
        self.checks: dict[tuple[UUID, str], SchemaCheck | None] = {}
        self.masked = frozenset(EventType.objects.exclude(masks=[]).values_list("name", flat=True))
        self.masks: dict[tuple[UUID, str], Any] = {}
        """Masks of the types in ``masked`` by tenant and name; filled by ``masks``."""
        self.indexed = frozenset(EventType.objects.exclude(indexed_paths=[]).values_list("name", flat=True))
        self.indexed_paths: dict[tuple[UUID, str], tuple[str, ...]] = {}
        """Paths of the types in ``indexed`` by tenant and name; filled by ``indexed_paths``."""
        self.known: dict[UUID | None, KnownNames] = {}
        """Names of all types by owner, None: the platform; filled by ``known_types``."""


_snapshots: dict[int, Snapshot] = {}  # by version; it holds the latest only


def check(tenant_id: UUID, event: Event) -> SchemaViolations | None:
    """Check an event against the schema of its type. None: it is valid, or no schema applies."""
    snapshot = current_snapshot()
    name = event.attributes["type"]
    if name not in snapshot.names:
        return None
    key = (tenant_id, name)
    if key not in snapshot.checks:
        if len(snapshot.checks) >= MAX_CACHED_CHECKS:
            snapshot.checks.clear()
        snapshot.checks[key] = _load(tenant_id, name)
    schema_check = snapshot.checks[key]
    return None if schema_check is None else schema_check.check(event)


def clear_cache() -> None:
    """Drop the snapshot; the next event to be checked loads a new one."""
    _version.clear()
    _snapshots.clear()


def current_version() -> int:
    """Return the version of the event types, at most a second old; it rises with every change of one of them."""
    return _version.get("")


def schema_url(name: str, version: int) -> str:
    """Return the URL of a schema version in the catalogue, which an event may name in its ``dataschema``."""
    return f"{settings.PUBLIC_URL}/catalogue/{quote(name)}/{version}.json"


def current_snapshot() -> Snapshot:
    """Return the snapshot of the version that is current, at most a second old."""
    version = _version.get("")
    snapshot = _snapshots.get(version)
    if snapshot is None:
        _snapshots.clear()
        snapshot = _snapshots[version] = Snapshot()
    return snapshot


def _read_version(_key: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(version), 0) FROM subscriptions_event_types_version")
        return int(cursor.fetchone()[0])


_version = TimedCache(_read_version, refreshes=True)  # one entry, under the key ""


def _load(tenant_id: UUID, name: str) -> SchemaCheck | None:
    """Load the check of an event type: the tenant's own type of this name, else the one shared by all tenants."""
    rows = EventType.objects.filter(Q(tenant=None) | Q(tenant=tenant_id), name=name).prefetch_related("schemas")
    own_first = sorted(rows, key=lambda row: row.tenant_id is None)
    event_type = own_first[0] if own_first else None
    if event_type is None or not event_type.version or event_type.schema_check == SchemaCheckMode.OFF:
        return None
    schemas = {schema.version: schema.document for schema in event_type.schemas.all()}
    urls = {schema_url(name, version): version for version in schemas}
    urls |= {document["$id"]: version for version, document in schemas.items() if "$id" in document}
    is_masked = any(row.masks for row in own_first)
    return SchemaCheck(event_type.schema_check, event_type.version, schemas, urls, is_masked)
