"""Create pulled endpoints, publish to them, and pull."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from delivery.models import Delivery
from delivery.publishing.publisher import publish
from delivery.pulling.pull import Pulled, pull
from delivery.pulling.reports import FailedReport, Report, Result, apply_report
from subscriptions.models import DestinationSettings, Endpoint, Tenant
from subscriptions.routing.targets import load_targets
from tests.delivery.factories import key_at
from tests.factories import make_secret, make_subscription, make_tenant


def make_pulled(
    tenant: Tenant | None = None, *, visibility: int = 30, secret: str | None = None, **fields: Any
) -> Endpoint:
    """Create an endpoint of the type poll that gets all events of its tenant."""
    endpoint = Endpoint.objects.create(tenant=tenant or make_tenant(), kind="poll", **fields)
    settings = {"visibility_timeout": visibility}
    DestinationSettings.objects.create(endpoint=endpoint, settings=settings, address="pulled by consumers")
    make_secret(endpoint, secret)
    return make_subscription(endpoint).endpoint


def publish_orders(endpoint: Endpoint, count: int = 1, **fields: Any) -> list[UUID]:
    """Publish events with the numbers from 0 as data; return their deliveries to the endpoint, in that order."""
    events = [{"type": "order.paid", "data": {"n": number}, **fields} for number in range(count)]
    published = publish(endpoint.tenant, events)
    found = dict(Delivery.objects.filter(endpoint=endpoint).values_list("event_id", "id"))
    return [found[it.key] for it in published if it.key is not None]


def pulled_ids(pulled: Pulled) -> list[UUID]:
    return [it.delivery_id for it in pulled.messages]


def pull_ids(endpoint: Endpoint, limit: int = 50) -> list[UUID]:
    return pulled_ids(pull(endpoint.pk, limit))


def acknowledge(endpoint: Endpoint, *delivery_ids: UUID) -> dict[UUID, Result]:
    return report(endpoint, Report(delivery_ids))


def fail(endpoint: Endpoint, *failed: FailedReport) -> dict[UUID, Result]:
    return report(endpoint, Report(failed=failed))


def report(endpoint: Endpoint, given: Report) -> dict[UUID, Result]:
    return apply_report(endpoint, load_targets([endpoint.pk])[endpoint.pk], given)


def let_lapse(endpoint: Endpoint) -> None:
    """Have the visibility timeouts of what is handed out begin a minute ago, and end now."""
    handed_out = Delivery.objects.filter(endpoint=endpoint, state="sending")
    now = timezone.now()
    handed_out.update(token=key_at(now - timedelta(minutes=1)), claimed_until=now - timedelta(seconds=1))
