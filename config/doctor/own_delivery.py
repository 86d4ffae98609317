"""Check the whole way: publish an event, and have the workers deliver it to an inspector of this platform."""

import time
from collections.abc import Iterator

from django.db.models import QuerySet
from django.utils import timezone

from config.doctor.finding import Finding, error, ok
from delivery.models import Delivery
from delivery.publishing.publisher import publish
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.inspectors.inspectors import create_inspector, url_of
from subscriptions.registration import ensure_tenant, register_endpoint

TENANT = "waypost-doctor"  # uid; the next run uses it again
EVENT_TYPE = "installation.checked"
DELIVERED_WITHIN = 20.0  # seconds
INSPECTOR_LIFETIME = 300  # seconds
POLL_EVERY = 0.1  # seconds


def check_own_delivery() -> Iterator[Finding]:
    """Publish an event and wait for its delivery."""
    tenant = ensure_tenant(TENANT, name="Check of the installation")
    inspector = create_inspector(tenant, expires_in=INSPECTOR_LIFETIME)
    endpoint, _ = register_endpoint(tenant, url_of(inspector), event_types=[EVENT_TYPE])
    try:
        publish(tenant, [{"type": EVENT_TYPE, "data": {"at": timezone.now()}}])
        began = time.monotonic()
        row = Delivery.objects.filter(endpoint=endpoint)
        while (state := row.values_list("state", flat=True).first()) != Delivery.State.DELIVERED:
            if time.monotonic() - began > DELIVERED_WITHIN:
                yield _not_delivered(row, state)
                return
            time.sleep(POLL_EVERY)
        yield ok(f"an event was published, and delivered after {(time.monotonic() - began) * 1000:.0f} ms")
    finally:
        delete_endpoint(endpoint)
        inspector.delete()


def _not_delivered(row: QuerySet[Delivery], state: str | None) -> Finding:
    delivery = row.first()
    text = f"an event was published, and not delivered within {DELIVERED_WITHIN:.0f} s"
    if delivery is None:
        return error(f"{text}: no delivery was created", "start the workers of the queue default")
    if not delivery.attempts:
        return error(f"{text}: nothing sent it", "start the workers of the queue delivery (waypost-server up has one)")
    return error(
        f"{text}: {delivery.last_error or state} {delivery.last_status or ''}".rstrip(),
        "the workers must reach PUBLIC_URL: check DNS, the proxy and the firewall",
    )
