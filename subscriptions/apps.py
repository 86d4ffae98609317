"""Configure the app."""

from django.apps import AppConfig
from django.utils.module_loading import import_string

from subscriptions.defaults import DEFAULTS
from webhooks.host.project import require_apps, set_defaults
from webhooks.kit.tenancy import tenant_deleted, tenant_named, tenant_required

ON_TENANT_DELETED = "subscriptions.routing.grants.end_grants_of"
ON_TENANT_NAMED = "subscriptions.tenants.tenants.find_id"
ON_TENANT_REQUIRED = "subscriptions.tenants.tenants.lock_tenant"


class SubscriptionsConfig(AppConfig):
    """Configure the app of tenants, endpoints, subscriptions and event types."""

    name = "subscriptions"
    verbose_name = "Subscriptions"

    def import_models(self) -> None:
        """Import the models, if the project has what they need."""
        require_apps(self.name, ["webhooks"])
        super().import_models()

    def ready(self) -> None:
        """Set default settings, and connect signals."""
        set_defaults(DEFAULTS)
        tenant_deleted.connect(import_string(ON_TENANT_DELETED))
        tenant_named.connect(import_string(ON_TENANT_NAMED))
        tenant_required.connect(import_string(ON_TENANT_REQUIRED))
