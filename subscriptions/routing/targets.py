"""Cache what an attempt needs of its endpoint: address, signing secrets, limits, and the settings of its kind.

A drain asks about once a second for the endpoints of its lanes. An endpoint whose version has not changed is not read
again. Triggers raise the version, also when a secret changes.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from subscriptions.endpoints.batch import Batch
from subscriptions.endpoints.destinations.kind import Connection
from subscriptions.endpoints.destinations.registry import HTTP
from subscriptions.endpoints.destinations.settings import connection_of
from subscriptions.endpoints.http.certificates import TlsFiles, tls_files
from subscriptions.endpoints.http.credentials import (
    ClientCredentials,
    aws_credentials,
    body_member,
    client_credentials,
)
from subscriptions.endpoints.http.encrypted_fields import decrypt_fields, request_headers
from subscriptions.endpoints.http.verification import request_origin_header
from subscriptions.models import DestinationSettings, Endpoint, HttpSettings, SigningSecret
from webhooks.kit.caches.shared_cache import SharedCache
from webhooks.kit.encryption import CannotDecrypt, decrypt
from webhooks.outgoing.own_address import inspector_filter, is_forbidden_own_address
from webhooks.wire.addresses.guard import address_filter
from webhooks.wire.addresses.networks import compile_networks
from webhooks.wire.addresses.parsed_url import ForbiddenAddress, parse
from webhooks.wire.custom_headers import ForbiddenHeader
from webhooks.wire.errors import SignatureError
from webhooks.wire.header_values import curl_line
from webhooks.wire.signing.aws_sigv4 import AwsSigner
from webhooks.wire.signing.standard_webhooks import Signer

HTTP_BATCH = "http_batch"  # the transport of endpoints of the kind ``http`` whose events share requests
MAX_TARGETS = 50_000  # in memory; those that are not read are dropped first
MAX_TENANT_TARGETS = 20_000  # of one tenant; beyond them its own are dropped


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """Hold how deliveries are sent to one endpoint over HTTP.

    ``admits`` or ``headers`` is None if nothing may be sent: a forbidden address, or headers that cannot be decrypted
    or are forbidden.
    """

    url: str
    headers: tuple[str, ...] | None = field(repr=False)
    content_mode: str
    admits: Callable[[str], bool] | None  # whether an attempt may connect to this IP address
    tls: TlsFiles | None = None
    oauth: ClientCredentials | None = None
    aws_signer: AwsSigner | None = field(default=None, repr=False)
    body_member: tuple[str, str] | None = field(default=None, repr=False)  # name and value, added to each body
    failure_pattern: str | None = None  # JSON: the pattern of a 2xx response that says that the delivery failed


@dataclass(frozen=True, slots=True)
class DeliveryTarget:
    """Hold how the deliveries of one endpoint are sent: what every kind has, and ``http`` for endpoints of that kind.

    Endpoints of every other kind have ``connection``; None if their credentials cannot be decrypted.

    ``address`` is for logs, and tells whether an attempt went where the endpoint leads now. ``signer`` is None if
    nothing may be sent, without a usable secret.
    """

    endpoint_id: UUID
    tenant_id: UUID
    version: int
    state: str
    address: str
    timeout_ms: int
    max_in_flight: int
    rate_limit: float | None  # attempts per second
    ordering: str
    retry_plan: tuple[int, ...] | None  # seconds to wait after each failure
    signer: Signer | None
    valid_until: datetime | None  # when a secret expires, after which the target is read again
    latest_only: str | None = None
    rate_burst: int | None = None  # attempts; None: a tenth of a second's rate
    repaired_at: float = 0.0  # unix seconds; when its owner or an operator last said that it works again
    reset_at: float = 0.0  # unix seconds of the last change of address or state; failures before it do not count
    kind: str = "http"  # its transport (delivery.transports)
    http: HttpTarget | None = None
    connection: Connection | None = None
    batch: Batch | None = None  # how events share requests; None: as the destination takes them
    has_on_success: bool = False  # whether an endpoint is named that gets a record of each delivery that succeeded

    @property
    def is_ordered(self) -> bool:
        """Return whether deliveries of the same key are sent one after the other."""
        return bool(self.ordering or self.latest_only)

    @property
    def is_active(self) -> bool:
        """Return whether deliveries are sent now."""
        return self.state == Endpoint.State.ACTIVE


_targets = SharedCache[DeliveryTarget](MAX_TARGETS, owner_size=MAX_TENANT_TARGETS)


def load_targets(endpoint_ids: Iterable[UUID]) -> dict[UUID, DeliveryTarget]:
    """Return the current targets of these endpoints by id, without deleted endpoints."""
    rows = Endpoint.objects.filter(id__in=list(endpoint_ids), deleted_at=None, tenant__deleted_at=None)
    now = timezone.now()
    current: dict[UUID, DeliveryTarget] = {}
    stale: list[UUID] = []
    for key, tenant_id, version in rows.values_list("id", "tenant_id", "version"):
        known = _targets.share(tenant_id).get(key)
        if known is None or known.version != version or _has_expired(known, now):
            stale.append(key)
        else:
            current[key] = known
    for target in _read(stale, now):
        current[target.endpoint_id] = target
        _targets.share(target.tenant_id).put(target.endpoint_id, target, 1)
    return current


def read_target(endpoint_id: UUID, at: datetime) -> DeliveryTarget | None:
    """Return the settings that an endpoint has now, also a deleted one, with the secrets that were valid ``at`` a time.

    Secrets that were added or deleted since then are not told apart: compare ``Endpoint.secrets_changed_at``.
    """
    return next(_read([endpoint_id], at), None)


def _has_expired(target: DeliveryTarget, now: datetime) -> bool:
    return target.valid_until is not None and target.valid_until <= now


def _read(endpoint_ids: list[UUID], now: datetime) -> Iterator[DeliveryTarget]:
    if not endpoint_ids:
        return
    # The endpoints with their versions first: if a secret changes in between, the target is read again.
    endpoints = list(Endpoint.objects.filter(id__in=endpoint_ids).select_related("http", "destination"))
    secrets: dict[UUID, list[SigningSecret]] = {}
    for secret in SigningSecret.objects.filter(endpoint__in=endpoint_ids).order_by("-created_at"):
        if secret.expires_at is None or secret.expires_at > now:
            secrets.setdefault(secret.endpoint_id, []).append(secret)
    for endpoint in endpoints:
        yield _target(endpoint, secrets.get(endpoint.id, []))


def _target(endpoint: Endpoint, secrets: list[SigningSecret]) -> DeliveryTarget:
    http: HttpSettings | None = getattr(endpoint, "http", None)
    destination: DestinationSettings | None = getattr(endpoint, "destination", None)
    moved_at = (http and http.url_changed_at) or (destination and destination.settings_changed_at)
    return DeliveryTarget(
        endpoint_id=endpoint.id,
        tenant_id=endpoint.tenant_id,
        version=endpoint.version,
        kind=HTTP_BATCH if endpoint.kind == HTTP and endpoint.batch else endpoint.kind,
        state=endpoint.state,
        address=endpoint.address,
        http=None if http is None else _http_target(http),
        connection=None if destination is None else _connection(destination),
        timeout_ms=endpoint.timeout_ms,
        max_in_flight=endpoint.max_in_flight,
        rate_limit=endpoint.rate_per_second,
        rate_burst=endpoint.rate_burst,
        repaired_at=0.0 if endpoint.repaired_at is None else endpoint.repaired_at.timestamp(),
        reset_at=max(moved_at or endpoint.created_at, endpoint.state_changed_at).timestamp(),
        ordering=endpoint.ordering,
        latest_only=endpoint.latest_only,
        batch=Batch(**endpoint.batch) if endpoint.batch else None,
        has_on_success=endpoint.on_success_id is not None,
        retry_plan=None if endpoint.retry_plan is None else tuple(endpoint.retry_plan),
        signer=_signer(secrets),
        valid_until=min((it.expires_at for it in secrets if it.expires_at), default=None),
    )


def _connection(row: DestinationSettings) -> Connection | None:
    try:
        return connection_of(row)
    except CannotDecrypt:
        return None


def _http_target(row: HttpSettings) -> HttpTarget:
    """Return how to send to an endpoint; without headers (None) if its headers or credentials may not be sent.

    Headers are checked again here, since a header that was allowed when it was saved may be forbidden by now.
    """
    admits = address_guard(row.url)
    try:
        fields = decrypt_fields(row)
        lines = tuple(curl_line(name, value) for name, value in request_headers(fields).items())
    except (CannotDecrypt, ForbiddenHeader):
        return HttpTarget(row.url, None, row.content_mode, admits)
    aws = aws_credentials(fields.auth)
    return HttpTarget(
        row.url,
        lines + request_origin_header(row),
        row.content_mode,
        admits,
        tls=tls_files(fields.tls),
        oauth=client_credentials(fields.auth),
        aws_signer=None if aws is None else AwsSigner(aws, row.url),
        body_member=body_member(fields.auth),
        failure_pattern=None if row.failure_pattern is None else json.dumps(row.failure_pattern, sort_keys=True),
    )


def _signer(secrets: list[SigningSecret]) -> Signer | None:
    """Return the signer; None (nothing is sent unsigned) if a secret cannot be decrypted or used."""
    try:
        return Signer([decrypt(secret.ciphertext) for secret in secrets]) if secrets else None
    except (CannotDecrypt, SignatureError):
        return None


def address_guard(url: str) -> Callable[[str], bool] | None:
    """Return the SSRF guard of a URL: whether an attempt may connect to an IP address. None: nothing may be sent."""
    try:
        admits = inspector_filter(parse(url, allow_http=True))
        if admits is not None:
            return admits
        target = parse(url, allow_http=settings.WAYPOST_ALLOW_HTTP)
    except ForbiddenAddress:
        return None
    if is_forbidden_own_address(target):
        return None
    return address_filter(target, compile_networks(tuple(settings.WAYPOST_ALLOW_NETWORKS)))
