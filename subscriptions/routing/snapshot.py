"""Cache each tenant's route table in memory: the snapshot that fan-out matches events against.

A publisher writes under the version of its snapshot (``Tenant.routes_version``, raised by the triggers in
`subscriptions/migrations/versions.sql`). If that is no longer the newest, nothing is written and it matches again with
a new snapshot. So a subscription applies from its commit, in every process, without a message to any of them.
"""

from collections.abc import Sequence
from typing import cast
from uuid import UUID

from django.db.models import F, Func, TextField

from subscriptions.masking.masks import compile_masks
from subscriptions.models import Endpoint, Grant, HttpSettings, Subscription, Tenant
from subscriptions.routing.compiled_patterns import LazyPattern, LazyTransformer
from subscriptions.routing.models import BYTES_PER_TYPE
from subscriptions.routing.route_table import Route, RouteEntry, RouteTable
from subscriptions.routing.type_names import shared_type
from webhooks.kit.caches.shared_cache import SharedCache

MAX_TABLE_BYTES = 512 * 1024**2  # of the route tables of all tenants in a process; those not read are dropped first
ROUTE_BYTES = 1_900  # of a subscription and its place in the index, without event types and the texts of its rules

# Identifies a version of a subscription's row (writer, command, place on disk) together with its endpoint's version.
_ROW = " || '/' || ".join(f"{Subscription._meta.db_table}.{name}::text" for name in ("xmin", "cmin", "ctid"))
STAMP = Func(F("endpoint__version"), template=f"{_ROW} || '/' || %(expressions)s::text", output_field=TextField())
ROW_STAMP = Func(F("id"), template=f"{_ROW} || '/' || %(expressions)s::text", output_field=TextField())
NO_SUBSCRIPTION = UUID(int=0)  # key of a route that needs none
PAIR_BITS = 48  # bits of a route's key that distinguish the endpoints which a subscription selects by labels

ENDPOINT_FIELDS = (
    *("endpoint__ordering", "endpoint__latest_only"),
    *("endpoint__masks", "endpoint__unmasked"),
    *("endpoint__http__content_mode", "endpoint__http__reference_above_bytes"),
)

_snapshots = SharedCache[RouteTable](MAX_TABLE_BYTES, owner_size=MAX_TABLE_BYTES)


def route_table(tenant_id: UUID, *, stale: RouteTable | None = None) -> RouteTable:
    """Return the tenant's route table from memory; build it if it is missing or is the one known to be stale."""
    known = _snapshots.share(tenant_id).get(tenant_id)
    if known is not None and known is not stale:
        return known
    table = _build(tenant_id, known)
    _snapshots.share(tenant_id).put(tenant_id, table, ROUTE_BYTES + sum(entry.size for entry in table.entries.values()))
    return table


def current_route_table(tenant_id: UUID) -> RouteTable:
    """Return the tenant's route table as of now, for callers that do not write under its version. One query more."""
    known = _snapshots.share(tenant_id).get(tenant_id)
    if known is not None and known.version == _version_of(tenant_id):
        return known
    return route_table(tenant_id, stale=known)


def _build(tenant_id: UUID, known: RouteTable | None) -> RouteTable:
    """Read the subscriptions, reusing the entries of rows that have not changed since the known table."""
    # The version first: if a row changes in between, the table is newer than its version says, and is built again.
    version = _version_of(tenant_id)
    rows = Subscription.objects.filter(
        tenant_id=tenant_id, active=True, endpoint__isnull=False, endpoint__deleted_at=None
    )
    rows = rows.annotate(stamp=STAMP).select_related("endpoint__http")
    rows = rows.only("endpoint", "tenant", "grant", "event_types", "pattern", "transformer", *ENDPOINT_FIELDS)
    entries: dict[UUID, RouteEntry] = {}
    if known is not None and known.entries:
        stamps = dict(rows.values_list("id", "stamp"))
        entries = {key: it for key, it in known.entries.items() if stamps.get(key) == it.stamp}
        rows = rows.filter(id__in=list(stamps.keys() - entries.keys()))
    for row in rows.iterator():
        entries[row.id] = _entry(row, cast(Endpoint, row.endpoint), row.id, row.stamp, _rules(row))
    entries |= _labelled_entries(tenant_id, known)
    return RouteTable(version, entries, tenant_id, known, _grants(tenant_id))


def _grants(tenant_id: UUID) -> dict[UUID, frozenset[str]]:
    """Return the types that each grant of the tenant names which is in force."""
    rows = Grant.objects.filter(tenant=tenant_id, ended_at=None).order_by("id")
    return {key: frozenset(types) for key, types in rows.values_list("id", "event_types")}


def _labelled_entries(tenant_id: UUID, known: RouteTable | None) -> dict[UUID, RouteEntry]:
    """Return an entry for each endpoint that a subscription selects by labels, reusing those that have not changed."""
    rows = Subscription.objects.filter(tenant_id=tenant_id, active=True, endpoint=None).annotate(stamp=ROW_STAMP)
    entries: dict[UUID, RouteEntry] = {}
    for row in rows:
        rules = _rules(row)
        endpoints = Endpoint.objects.filter(tenant_id=tenant_id, deleted_at=None, labels__contains=row.endpoint_labels)
        for endpoint in endpoints.select_related("http").order_by("id").iterator():
            key = _key_of_pair(row.id, endpoint.id)
            while key in entries:
                key = UUID(int=key.int + 1)
            stamp = f"{row.stamp}/{endpoint.id}/{endpoint.version}"
            reused = known.entries.get(key) if known is not None else None
            if reused is not None and reused.stamp == stamp:
                entries[key] = reused
            else:
                entries[key] = _entry(row, endpoint, key, stamp, rules)
    return entries


def _key_of_pair(subscription_id: UUID, endpoint_id: UUID) -> UUID:
    """Return the key of a subscription's route to one of its endpoints, which sorts with the subscription's age."""
    return UUID(int=subscription_id.int >> PAIR_BITS << PAIR_BITS | endpoint_id.int & ((1 << PAIR_BITS) - 1))


def direct_routes(tenant_id: UUID, endpoint_ids: Sequence[UUID]) -> list[Route]:
    """Return routes to these endpoints of the tenant that need no subscription, without deleted endpoints."""
    rows = Endpoint.objects.filter(tenant_id=tenant_id, id__in=list(endpoint_ids), deleted_at=None)
    return [_route(NO_SUBSCRIPTION, it, None, None) for it in rows.select_related("http").order_by("id")]


def _version_of(tenant_id: UUID) -> int:
    return Tenant.objects.values_list("routes_version", flat=True).get(id=tenant_id)


def _rules(row: Subscription) -> tuple[LazyPattern | None, LazyTransformer | None]:
    """Return the pattern and the transformer of a subscription."""
    pattern = None if row.pattern is None else LazyPattern(row.pattern, row.tenant_id)
    transformer = None if row.transformer is None else LazyTransformer(row.transformer, row.tenant_id)
    return pattern, transformer


def _entry(
    row: Subscription,
    endpoint: Endpoint,
    key: UUID,
    stamp: str,
    rules: tuple[LazyPattern | None, LazyTransformer | None],
) -> RouteEntry:
    pattern, transformer = rules
    route = _route(key, endpoint, pattern, transformer)
    size = ROUTE_BYTES + BYTES_PER_TYPE * len(row.event_types)
    size += sum(len(it.text) for it in (pattern, transformer) if it is not None)
    return RouteEntry(stamp, route, tuple(shared_type(row.grant_id, it) for it in row.event_types), size)


def _route(key: UUID, endpoint: Endpoint, pattern: LazyPattern | None, transformer: LazyTransformer | None) -> Route:
    return Route(
        subscription_id=key,
        endpoint_id=endpoint.id,
        ordering=endpoint.ordering,
        latest_only=endpoint.latest_only,
        pattern=pattern,
        transformer=transformer,
        masks=compile_masks(endpoint.masks) if endpoint.masks else None,
        is_unmasked=endpoint.unmasked,
        reference_above_bytes=_reference_above_bytes(endpoint),
    )


def route_to(endpoint: Endpoint) -> Route:
    """Return a route to an endpoint without a subscription: it sends the event, masked as the endpoint says."""
    return Route(
        subscription_id=endpoint.id,
        endpoint_id=endpoint.id,
        ordering=endpoint.ordering,
        latest_only=endpoint.latest_only,
        masks=compile_masks(endpoint.masks) if endpoint.masks else None,
        is_unmasked=endpoint.unmasked,
    )


def _reference_above_bytes(endpoint: Endpoint) -> int | None:
    http: HttpSettings | None = getattr(endpoint, "http", None)
    if http is None:
        return None
    return 0 if http.content_mode == HttpSettings.ContentMode.REFERENCE else http.reference_above_bytes
