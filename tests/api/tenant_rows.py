"""Create one row of each resource of the API for one tenant, and find the ids that a path needs.

A new resource needs a line in MAKE; until then the tests of its operations fail. New paths below known resources need
nothing.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from delivery.lifecycle.erasures import start
from delivery.models import Archive, Broadcast, DeadLetterJob, Delivery
from subscriptions.inspectors.inspectors import create_inspector
from subscriptions.models import Endpoint, Tenant
from subscriptions.portal_access.links import create_link
from subscriptions.routing.grants import create_grant
from tests.delivery.alerts.factories import make_alert, make_rule
from tests.delivery.factories import make_attempt, make_dead_letter, make_delivery, make_event, make_replay
from tests.delivery.pulling.factories import make_pulled
from tests.delivery.schedules.factories import make_schedule
from tests.factories import (
    make_endpoint,
    make_event_type,
    make_key,
    make_plan,
    make_secret,
    make_subscription,
    make_tenant,
)
from tests.factories_receiver import make_receipt, make_source
from webhooks.audit.models import AuditEntry
from webhooks.models import ReceiptReplay, Rejection, Source, SourceSecret
from webhooks.wire.ids import new_id, parse


class TenantRows:
    """Create rows of one tenant when they are first needed, and return their public ids."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self._made: dict[str, str] = {}

    def ids_in(self, path: str) -> dict[str, str]:
        """Return the ids for the ``{names}`` in a path, each of a row of the resource that precedes the name."""
        steps = path.removeprefix("/api/v1").strip("/").split("/")
        return {
            step.strip("{}"): self.id_of(PULLED if path.endswith(OF_PULLED) else resource_of(steps[:place]))
            for place, step in enumerate(steps)
            if step.startswith("{")
        }

    def id_of(self, kind: str) -> str:
        """Return the id of the row of this resource."""
        if kind in SHARED:
            return SHARED[kind]
        assert kind in MAKE, f"add {kind!r} to MAKE in tests/api/tenant_rows.py"
        if kind not in self._made:
            self._made[kind] = MAKE[kind](self)
        return self._made[kind]

    def all(self) -> set[str]:
        """Return the ids of one row of each resource."""
        return {self.id_of(kind) for kind in MAKE}

    # Parents of other rows.

    def endpoint(self) -> Endpoint:
        return Endpoint.objects.filter(tenant=self.tenant).first() or make_endpoint(self.tenant)

    def source(self) -> Source:
        found = Source.objects.filter(tenant_id=self.tenant.pk).first()
        return found or make_source(tenant_id=self.tenant.pk)


def resource_of(steps: list[str]) -> str:
    """Return the resource that an id after these path segments belongs to."""
    return "/".join(step for step in steps if not step.startswith("{"))


def _secret(of: TenantRows) -> str:
    found = SourceSecret.objects.filter(source=of.source()).first()
    assert found
    return found.public_id


def _audit_entry(of: TenantRows) -> str:
    make_subscription(of.endpoint())
    return AuditEntry.objects.filter(tenant_id=of.tenant.pk).latest("id").public_id


def _plan(of: TenantRows) -> str:
    of.tenant.plan = make_plan()
    of.tenant.save()
    return of.tenant.plan.public_id


def _endpoint_secret(of: TenantRows) -> str:
    endpoint = of.endpoint()
    make_secret(endpoint, expires_at=timezone.now() + timedelta(hours=1))
    return endpoint.secrets.exclude(expires_at=None).get().public_id


def _archive(of: "TenantRows") -> str:
    counts: dict[str, Any] = {"events": 1, "deliveries": 0, "types": {}, "bytes": 1, "sha256": "0" * 64}
    row = Archive.objects.create(tenant=of.tenant, begins_at=timezone.now(), key=str(new_id()), **counts)
    return row.public_id


OF_PULLED = ("/messages/", "/acknowledgements/")  # operations of endpoints whose messages are pulled
PULLED = "endpoints/pulled"
SHARED = {"connectors": "discord"}  # names that are the same for every tenant
MAKE: dict[str, Callable[[TenantRows], str]] = {
    "tenants": lambda of: of.tenant.public_id,
    "audit": _audit_entry,
    "plans": _plan,
    "keys": lambda of: make_key(of.tenant)[0].public_id,
    "endpoints": lambda of: of.endpoint().public_id,
    "endpoints/secrets": _endpoint_secret,
    PULLED: lambda of: make_pulled(of.tenant).public_id,
    "grants": lambda of: create_grant(of.tenant, make_tenant(), event_types=["order.*"]).public_id,
    "subscriptions": lambda of: make_subscription(of.endpoint()).public_id,
    "inspectors": lambda of: create_inspector(of.tenant).public_id,
    "portal-links": lambda of: create_link(of.tenant, created_by="a key")[0].public_id,
    "event-types": lambda of: make_event_type(of.tenant).public_id,
    "events": lambda of: make_event(of.tenant).public_id,
    "deliveries": lambda of: (
        make_attempt(make_delivery(make_event(of.tenant), of.endpoint(), state="delivered")).delivery.public_id
    ),
    "deliveries/attempts": lambda of: (
        make_attempt(Delivery.objects.get(pk=parse("dlv", of.id_of("deliveries")))).public_id
    ),
    "dead-letters": lambda of: make_dead_letter(make_delivery(make_event(of.tenant), of.endpoint())).public_id,
    "dead-letter-jobs": lambda of: (
        DeadLetterJob.objects.create(tenant=of.tenant, operation="discard", filter={}, requested_by="a key").public_id
    ),
    "replays": lambda of: make_replay(of.tenant).public_id,
    "archives": lambda of: _archive(of),
    "erasures": lambda of: start(of.tenant, "user-1", by="a key").public_id,
    "broadcasts": lambda of: Broadcast.objects.create(type="a", body=b"", event_id="1", source="/").public_id,
    "alert-rules": lambda of: make_rule(of.tenant).public_id,
    "alerts": lambda of: make_alert(of.tenant).public_id,
    "schedules": lambda of: make_schedule(of.tenant).public_id,
    "sources": lambda of: of.source().public_id,
    "sources/secrets": _secret,
    "receipts": lambda of: make_receipt(of.source()).public_id,
    "receipt-replays": lambda of: (
        ReceiptReplay.objects.create(tenant_id=of.tenant.pk, filter={"state": "dead"}, requested_by="a key").public_id
    ),
    "rejections": lambda of: Rejection.objects.create(source=of.source(), reason="signature", size=2).public_id,
}
