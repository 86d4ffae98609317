"""Delete endpoints whose time is over (``expires_at``), such as those of a command line that listens.

What still waits for them is cancelled first, so it makes no dead letters.
"""

from uuid import UUID

from django.utils import timezone

from delivery.lifecycle.cancel import BATCH, UNFINISHED, cancel_deliveries
from delivery.models import Delivery
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.models import Endpoint

BY = "expires_at"  # by whom the deliveries are cancelled
MAX_ENDPOINTS = 100  # in one call
MAX_BATCHES = 20  # of deliveries of one endpoint; the next call goes on


def delete_expired_endpoints() -> int:
    """Cancel what waits for endpoints that have expired, and delete them; return how many were deleted."""
    expired = Endpoint.objects.filter(expires_at__lte=timezone.now(), deleted_at=None).order_by("expires_at")
    return sum(map(_delete, expired[:MAX_ENDPOINTS]))


def _delete(endpoint: Endpoint) -> bool:
    """Delete an endpoint once nothing waits for it; return whether it was."""
    for _ in range(MAX_BATCHES):
        waiting: list[UUID] = []
        for state in UNFINISHED:
            rows = Delivery.objects.filter(endpoint=endpoint, state=state)
            waiting += rows.values_list("id", flat=True)[: BATCH - len(waiting)]
        if not waiting:
            delete_endpoint(endpoint)
            return True
        cancel_deliveries(waiting, BY)
    return False
