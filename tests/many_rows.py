"""Create many rows of every resource for one tenant, each with parents of its own, and below each resource children."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from delivery.models import Delivery, Event, Lane
from subscriptions.event_types import registry
from subscriptions.event_types.models import EventType
from subscriptions.models import Endpoint, InspectedRequest, Inspector, Tenant
from tests.api.tenant_rows import MAKE, TenantRows
from tests.delivery.factories import make_attempt, make_delivery, make_event
from tests.factories import make_endpoint, make_secret, make_tenant
from tests.factories_receiver import make_source
from webhooks.kit.encryption import encrypt
from webhooks.models import Source, SourcePartition, SourceSecret
from webhooks.wire.ids import new_id, parse
from webhooks.wire.signing.keys import new_secret


class RowsApart(TenantRows):
    """Rows of one tenant with an endpoint and a source of their own, so that no two of a list share what they name."""

    def id_of(self, kind: str) -> str:
        if kind not in self._made and kind in APART:
            self._made[kind] = APART[kind](self.tenant)
        return super().id_of(kind)

    def endpoint(self) -> Endpoint:
        endpoint = make_endpoint(self.tenant)
        Lane.objects.create(endpoint=endpoint, tenant=self.tenant)
        return endpoint

    def source(self) -> Source:
        return make_source(tenant_id=self.tenant.pk)


def _inspector(tenant: Tenant) -> str:
    """Return an inspector, of which a tenant may create only a few."""
    texts = {name: str(new_id()) for name in ("token", "page_token")}
    return Inspector.objects.create(tenant=tenant, expires_at=tenant.created_at, **texts).public_id


APART: dict[str, Callable[[Tenant], str]] = {
    "tenants": lambda _tenant: make_tenant().public_id,
    "inspectors": _inspector,
    "events": lambda tenant: make_event(tenant, type=f"order.{new_id()}").public_id,
}


def _requests(inspector: str) -> None:
    given: dict[str, Any] = {"method": "POST", "path": "/", "headers": {}, "body": b"", "body_bytes": 0}
    key = parse(Inspector.prefix, inspector)
    InspectedRequest.objects.create(inspector_id=key, response_status=200, verification="", **given)


def _secret_of_endpoint(public_id: str) -> None:
    endpoint = Endpoint.objects.get(pk=parse(Endpoint.prefix, public_id))
    make_secret(endpoint, expires_at=timezone.now() + timedelta(hours=1))


def _secret_of_source(public_id: str) -> None:
    soon = timezone.now() + timedelta(hours=1)  # a source may have a few active ones only
    SourceSecret.objects.create(
        source_id=parse(Source.prefix, public_id), name=str(new_id()), ciphertext=encrypt(new_secret()), expires_at=soon
    )


def _version(public_id: str) -> None:
    row = EventType.objects.get(pk=parse(EventType.prefix, public_id))
    registry.change(row, {"schema": {"type": "object", "title": str(new_id())}})


def _partition(public_id: str) -> None:
    key = parse(Source.prefix, public_id)
    SourcePartition.objects.create(source_id=key, owner=key, name=str(new_id()))


def _delivery(public_id: str) -> None:
    event = Event.objects.get(pk=parse(Event.prefix, public_id))
    make_attempt(make_delivery(event, make_endpoint(event.tenant), state="delivered"))


CHILDREN: dict[str, tuple[str, Callable[[str], Any]]] = {
    "endpoint secrets": ("endpoints", _secret_of_endpoint),
    "attempts": ("deliveries", lambda it: make_attempt(Delivery.objects.get(pk=parse(Delivery.prefix, it)))),
    "deliveries": ("events", _delivery),
    "versions": ("event-types", _version),
    "requests": ("inspectors", _requests),
    "source secrets": ("sources", _secret_of_source),
    "partitions": ("sources", _partition),
}
"""By name: the resource of the parent, and what creates one more row below the parent with this id."""


def add_rows(first: TenantRows, count: int) -> None:
    """Create so many more rows of every resource of a tenant, and below each row of ``first``."""
    for _ in range(count):
        more = RowsApart(first.tenant)
        for kind in MAKE:
            more.id_of(kind)
        for parent, make in CHILDREN.values():
            make(first.id_of(parent))
