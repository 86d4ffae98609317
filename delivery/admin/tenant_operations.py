"""Register the provider's operations on a tenant: retry what waits, replay, and the ways to its rows."""

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from delivery.admin.replaying.replay_page import MAY_REPLAY
from delivery.lifecycle.retry_endpoint import retry_endpoint
from delivery.models import Lane
from subscriptions.admin.row_operations import Operation
from subscriptions.admin.tenant_operations import TENANTS, counted, listed
from subscriptions.errors import StateConflict
from subscriptions.models import Endpoint, Tenant

MAX_ENDPOINTS = 1_000  # that one request makes due; the others are retried by their plan, or by the next one


def _retry(tenant: Tenant, _fields: Mapping[str, Any]) -> str:
    """Make the retries of the tenant's active endpoints due. Index: the lanes of a tenant."""
    lanes = Lane.objects.filter(tenant=tenant, due_at__isnull=False, endpoint__state=Endpoint.State.ACTIVE)
    retried = 0
    for lane in lanes.select_related("endpoint")[:MAX_ENDPOINTS]:
        try:
            retry_endpoint(lane.endpoint)
        except StateConflict:  # paused meanwhile
            continue
        retried += 1
    return f"retries of {counted(retried)} are due now"


def _replay_path(tenant: Tenant) -> str:
    return f"{reverse('admin:delivery_deadletter_replay')}?{urlencode({'tenant': tenant.public_id})}"


TENANTS.register(
    Operation(
        "retry",
        "Retry all pending now",
        "The tenant's endpoints work again: their retries become due, and open circuits send a probe at once.",
        _retry,
    ),
    Operation("deliveries", "Deliveries", permission="delivery.view_delivery", path=listed("delivery_delivery")),
    Operation(
        "dead-letters",
        "Dead letters",
        permission="delivery.view_deadletter",
        path=listed("delivery_deadletter", state="open"),
    ),
    Operation("replay", "Replay dead letters…", permission=MAY_REPLAY, path=_replay_path),
)
