"""Act on a tenant: pause, resume, disable and enable all its endpoints, and reach its endpoints and API keys.

The provider's admin registers its own operations.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.http import urlencode

from subscriptions.admin.endpoint_operations.states import DisableForm
from subscriptions.admin.row_operations import Operation, Operations
from subscriptions.endpoints import states_of_tenant as states
from subscriptions.models import Endpoint, Tenant

TENANTS = Operations[Tenant](lambda: Tenant.objects.filter(deleted_at=None))


def counted(number: int) -> str:
    """Return a number of endpoints in words."""
    return f"{number:,} endpoint{'s' * (number != 1)}"


def listed(page: str, **filters: str) -> Callable[[Tenant], str]:
    """Return a function that returns the path of a list of a tenant's rows."""

    def path_of(tenant: Tenant) -> str:
        query = urlencode({"tenant__id__exact": str(tenant.pk), **filters})
        return f"{reverse(f'admin:{page}_changelist')}?{query}"

    return path_of


def _counts(of: Callable[[Tenant], QuerySet[Endpoint]]) -> Callable[[Tenant], str]:
    return lambda tenant: f"Changes {counted(of(tenant).count())}."


def _has(of: Callable[[Tenant], QuerySet[Endpoint]]) -> Callable[[Tenant], bool]:
    return lambda tenant: of(tenant).exists()


def _run(change: Callable[[Tenant], int], done: str) -> Callable[[Tenant, Mapping[str, Any]], str]:
    return lambda tenant, _fields: f"{counted(change(tenant))} {done}"


def _disable(tenant: Tenant, fields: Mapping[str, Any]) -> str:
    return f"{counted(states.disable_all(tenant, fields['reason']))} disabled: {fields['reason']}"


def _key_path(tenant: Tenant) -> str:
    return f"{reverse('admin:subscriptions_apikey_add')}?{urlencode({'tenant': str(tenant.pk)})}"


TENANTS.register(
    Operation(
        "pause",
        "Pause all endpoints…",
        "Deliveries to the active endpoints wait until they are resumed, up to seven days. Events are still accepted.",
        _run(states.pause_all, "paused"),
        _has(states.pausable),
        asks=True,
        count=_counts(states.pausable),
    ),
    Operation(
        "resume",
        "Resume paused endpoints…",
        "What waited is sent. Endpoints that their owner has paused are resumed too.",
        _run(states.resume_all, "resumed"),
        _has(states.resumable),
        asks=True,
        count=_counts(states.resumable),
    ),
    Operation(
        "enable",
        "Enable disabled endpoints…",
        "What waited is sent. Only those that an operator has disabled; others are enabled one by one.",
        _run(states.enable_all, "enabled"),
        _has(states.enableable),
        asks=True,
        count=_counts(states.enableable),
    ),
    Operation(
        "endpoints", "Endpoints", permission="subscriptions.view_endpoint", path=listed("subscriptions_endpoint")
    ),
    Operation("keys", "API keys", permission="subscriptions.view_apikey", path=listed("subscriptions_apikey")),
    Operation("new-key", "New API key…", permission="subscriptions.add_apikey", path=_key_path),
    Operation(
        "disable",
        "Disable all endpoints…",
        "Nothing is sent to the tenant until an operator enables the endpoints; their owner cannot. Deliveries wait up "
        "to seven days, then they are dead letters.",
        _disable,
        _has(states.disableable),
        form=DisableForm,
        asks=True,
        is_destructive=True,
        count=_counts(states.disableable),
    ),
)
