"""Configure the app."""

from django.apps import AppConfig
from django.utils.module_loading import import_string

from webhooks.kit.tenancy import tenant_named, tenant_required

ON_TENANT_NAMED = "subscriptions.tenants.tenants.find_id"
ON_TENANT_REQUIRED = "subscriptions.tenants.tenants.lock_tenant"


class SubscriptionsConfig(AppConfig):
    """Configure the app of tenants, endpoints, subscriptions and event types."""

    name = "subscriptions"
    verbose_name = "Subscriptions"

    def ready(self) -> None:
        """Connect signals."""
        tenant_named.connect(import_string(ON_TENANT_NAMED))
        tenant_required.connect(import_string(ON_TENANT_REQUIRED))
