"""Change the state of all endpoints of a tenant: for an operator who has to stop a tenant's deliveries, and start them.

Each function is one UPDATE and returns how many endpoints it has changed.
"""

from django.db.models import QuerySet
from django.db.models.functions import Now

from subscriptions.endpoints.state import ACTIVE, BY_OPERATOR, DISABLED, PAUSED, may_be_active
from subscriptions.models import Endpoint, Tenant


def pausable(tenant: Tenant) -> QuerySet[Endpoint]:
    """Return the endpoints that ``pause_all`` changes."""
    return _of(tenant).filter(state=ACTIVE)


def resumable(tenant: Tenant) -> QuerySet[Endpoint]:
    """Return the endpoints that ``resume_all`` changes."""
    return _of(tenant).filter(may_be_active(), state=PAUSED)


def disableable(tenant: Tenant) -> QuerySet[Endpoint]:
    """Return the endpoints that ``disable_all`` changes."""
    return _of(tenant).exclude(state=DISABLED)


def enableable(tenant: Tenant) -> QuerySet[Endpoint]:
    """Return the endpoints that ``enable_all`` changes."""
    return _of(tenant).filter(may_be_active(), state=DISABLED, disabled_reason=BY_OPERATOR)


def pause_all(tenant: Tenant) -> int:
    """Make the deliveries of the tenant's active endpoints wait."""
    return pausable(tenant).update(state=PAUSED, state_changed_at=Now())


def resume_all(tenant: Tenant) -> int:
    """Send what waited while the tenant's endpoints were paused, also by their owner."""
    return resumable(tenant).update(state=ACTIVE, state_changed_at=Now())


def disable_all(tenant: Tenant, note: str) -> int:
    """Stop sending until an operator enables the endpoints. ``note``: why, for their owner."""
    changes = {"disabled_reason": BY_OPERATOR, "disabled_note": note, "state_changed_at": Now()}
    return disableable(tenant).update(state=DISABLED, **changes)


def enable_all(tenant: Tenant) -> int:
    """Activate the endpoints that an operator has disabled; those that failed stay disabled."""
    changes = {"disabled_reason": "", "disabled_note": "", "state_changed_at": Now()}
    return enableable(tenant).update(state=ACTIVE, **changes)


def _of(tenant: Tenant) -> QuerySet[Endpoint]:
    return Endpoint.objects.filter(tenant=tenant, deleted_at=None)
