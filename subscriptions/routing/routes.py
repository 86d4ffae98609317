"""Who gets what, and how it is sent: two pictures of the tables in memory, each with the version it was taken at.

``routes`` answers "who wants this event?" for a tenant. A publisher writes under the version its picture was
taken at and asks again if that is no longer the newest, so a subscription counts from the moment it was made.

``targets`` answers "where, with which headers, signed with what?" for endpoints. A drain asks about once a
second for the lanes it holds; an endpoint whose version has not moved is not read again.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F, Func, TextField
from django.utils import timezone

from subscriptions.endpoints.certificates import TlsFiles, tls_files
from subscriptions.endpoints.credentials import ClientCredentials, client_credentials
from subscriptions.endpoints.encrypted_fields import opened, sent_headers
from subscriptions.endpoints.origins import is_ourselves
from subscriptions.endpoints.verification import sent_origin
from subscriptions.models import Endpoint, Secret, Subscription, Tenant
from subscriptions.routing.compiled_patterns import Narrowing, transformer_of
from subscriptions.routing.route_table import OPERATIONAL, Kept, Route, Routes
from webhooks.kit.encryption import CannotDecrypt, decrypt
from webhooks.wire.addresses.guard import ForbiddenAddress, address_filter, compile_networks, parse
from webhooks.wire.custom_headers import ForbiddenHeader
from webhooks.wire.errors import SignatureError
from webhooks.wire.signing.standard_webhooks import Signer

__all__ = ["OPERATIONAL", "Route", "Routes", "Target", "current_routes", "routes", "targets"]

KEPT_TENANTS = 10_000  # pictures of routes in memory, the least recently used go first
KEPT_TARGETS = 50_000

# A row's version: who wrote it, with which command, and where it lies; and its endpoint's. Another one differs in
# at least one of them.
_OWN = " || '/' || ".join(f"{Subscription._meta.db_table}.{name}::text" for name in ("xmin", "cmin", "ctid"))
STAMP = Func(F("endpoint__version"), template=f"{_OWN} || '/' || %(expressions)s::text", output_field=TextField())

HOW = ("endpoint__ordering", "endpoint__content_mode", "endpoint__thin_above")  # of an endpoint, for its routes


@dataclass(frozen=True, slots=True)
class Target:
    """How the deliveries of one endpoint are sent. ``signer``, ``admits`` or ``headers`` is None if nothing may be
    sent: no usable secret, no address that may be called, nothing that cannot be decrypted."""

    endpoint_id: UUID
    tenant_id: UUID
    version: int
    state: str
    url: str
    headers: tuple[str, ...] | None = field(repr=False)
    content_mode: str
    timeout_ms: int
    max_in_flight: int
    rate_limit: float | None  # per second
    ordering: str
    retry_plan: tuple[int, ...] | None
    signer: Signer | None
    admits: Callable[[str], bool] | None
    valid_until: datetime | None  # then a secret expires and the target has to be taken anew
    tls: TlsFiles | None = None
    oauth: ClientCredentials | None = None
    rate_burst: int | None = None  # None: as many as a tenth of a second has
    anew_at: float = 0.0  # unix seconds: when it was moved, or switched on or off, last
    kind: str = "http"  # of its transport

    @property
    def is_active(self) -> bool:
        return self.state == Endpoint.State.ACTIVE


_lock = Lock()
_routes: OrderedDict[UUID, Routes] = OrderedDict()
_targets: OrderedDict[UUID, Target] = OrderedDict()


def routes(tenant_id: UUID, *, other_than: Routes | None = None) -> Routes:
    """The picture of a tenant's routes: the one in memory, unless that is ``other_than`` (known to be stale)."""
    known = _routes.get(tenant_id)
    if known is not None and known is not other_than:
        return known
    picture = _take_routes(tenant_id, known)
    with _lock:
        _keep(_routes, tenant_id, picture, KEPT_TENANTS)
    return picture


def current_routes(tenant_id: UUID) -> Routes:
    """The picture as the tables are now, for those who do not write under its version."""
    known = _routes.get(tenant_id)
    if known is not None and known.version == _version_of(tenant_id):
        return known
    return routes(tenant_id, other_than=known)


def targets(endpoint_ids: Iterable[UUID]) -> dict[UUID, Target]:
    """The targets of these endpoints as they are now. An endpoint that is deleted is missing."""
    wanted = Endpoint.objects.filter(id__in=list(endpoint_ids), deleted_at=None, tenant__deleted_at=None)
    versions = dict(wanted.values_list("id", "version"))
    now = timezone.now()
    known = {key: _targets.get(key) for key in versions}
    stale = [key for key, it in known.items() if it is None or it.version != versions[key] or _is_over(it, now)]
    current = {key: it for key, it in known.items() if it is not None}
    for target in _take_targets(stale, now):
        current[target.endpoint_id] = target
        with _lock:
            _keep(_targets, target.endpoint_id, target, KEPT_TARGETS)
    return current


def _take_routes(tenant_id: UUID, known: Routes | None) -> Routes:
    """Rows that have not changed since the known picture are not read again, nor compiled."""
    # The version first: if something changes in between, the picture is newer than it says, and is taken again.
    version = _version_of(tenant_id)
    rows = Subscription.objects.filter(tenant_id=tenant_id, active=True, endpoint__deleted_at=None)
    rows = rows.annotate(stamp=STAMP).select_related("endpoint")
    rows = rows.only("endpoint", "event_types", "pattern", "transformer", *HOW)
    kept: dict[UUID, Kept] = {}
    if known is not None and known.kept:
        stamps = dict(rows.values_list("id", "stamp"))
        kept = {key: it for key, it in known.kept.items() if stamps.get(key) == it.stamp}
        rows = rows.filter(id__in=list(stamps.keys() - kept.keys()))
    for row in rows.iterator():
        kept[row.id] = Kept(row.stamp, _route(row), tuple(row.event_types))
    return Routes(version, ((it.route, it.event_types) for it in kept.values()), kept)


def _version_of(tenant_id: UUID) -> int:
    return Tenant.objects.values_list("routes_version", flat=True).get(id=tenant_id)


def _route(row: Subscription) -> Route:
    return Route(
        subscription_id=row.id,
        endpoint_id=row.endpoint_id,
        ordering=row.endpoint.ordering,
        pattern=None if row.pattern is None else Narrowing(row.pattern),
        transformer=None if row.transformer is None else transformer_of(row.transformer),
        thin_above=_thin_above(row.endpoint),
    )


def _thin_above(endpoint: Endpoint) -> int | None:
    return 0 if endpoint.content_mode == Endpoint.ContentMode.THIN else endpoint.thin_above


def _take_targets(endpoint_ids: list[UUID], now: datetime) -> Iterator[Target]:
    if not endpoint_ids:
        return
    # The endpoints with their versions first: see _take_routes.
    endpoints = list(Endpoint.objects.filter(id__in=endpoint_ids))
    secrets: dict[UUID, list[Secret]] = {}
    for secret in Secret.objects.filter(endpoint__in=endpoint_ids).order_by("-created_at"):
        if secret.expires_at is None or secret.expires_at > now:
            secrets.setdefault(secret.endpoint_id, []).append(secret)
    for endpoint in endpoints:
        yield _target(endpoint, secrets.get(endpoint.id, []))


def _target(endpoint: Endpoint, secrets: list[Secret]) -> Target:
    headers, tls, oauth = _confidential(endpoint)
    return Target(
        endpoint_id=endpoint.id,
        kind=endpoint.kind,
        tenant_id=endpoint.tenant_id,
        version=endpoint.version,
        state=endpoint.state,
        url=endpoint.url,
        headers=headers,
        content_mode=endpoint.content_mode,
        timeout_ms=endpoint.timeout_ms,
        max_in_flight=endpoint.max_in_flight,
        rate_limit=endpoint.rate_per_second,
        rate_burst=endpoint.rate_burst,
        anew_at=max(endpoint.moved_at or endpoint.created_at, endpoint.state_changed_at).timestamp(),
        ordering=endpoint.ordering,
        retry_plan=None if endpoint.retry_plan is None else tuple(endpoint.retry_plan),
        signer=_signer(secrets),
        admits=_guard(endpoint.url),
        valid_until=min((it.expires_at for it in secrets if it.expires_at), default=None),
        tls=tls,
        oauth=oauth,
    )


def _confidential(endpoint: Endpoint) -> tuple[tuple[str, ...] | None, TlsFiles | None, ClientCredentials | None]:
    """Fail closed, as with the secret; and what was not forbidden when it was saved may be now."""
    try:
        known = opened(endpoint)
        lines = tuple(f"{name}: {value}" for name, value in sent_headers(known).items())
    except (CannotDecrypt, ForbiddenHeader):
        return None, None, None
    lines += sent_origin(endpoint)
    return lines, tls_files(known.tls), client_credentials(known.auth)


def _signer(secrets: list[Secret]) -> Signer | None:
    """Fail closed: a secret that cannot be read or used means that nothing is sent."""
    try:
        return Signer([decrypt(secret.ciphertext) for secret in secrets]) if secrets else None
    except (CannotDecrypt, SignatureError):
        return None


def _guard(url: str) -> Callable[[str], bool] | None:
    if is_ourselves(url):
        return None
    try:
        target = parse(url, allow_http=settings.WAYPOST_ALLOW_HTTP)
    except ForbiddenAddress:
        return None
    return address_filter(target, compile_networks(tuple(settings.WAYPOST_ALLOW_NETWORKS)))


def _is_over(target: Target, now: datetime) -> bool:
    return target.valid_until is not None and target.valid_until <= now


def _keep(pictures: OrderedDict[UUID, Any], key: UUID, picture: Any, most: int) -> None:
    pictures[key] = picture
    pictures.move_to_end(key)
    while len(pictures) > most:
        pictures.popitem(last=False)
