"""Configure the app."""

from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import post_migrate
from django.utils.module_loading import import_string

from delivery.checks import check_api, check_project
from delivery.defaults import DEFAULTS
from webhooks.host.project import require_apps, require_packages, set_defaults
from webhooks.kit.conditions import registry as conditions
from webhooks.kit.operational_events import operational_event
from webhooks.kit.results import endpoints_named, receipts_ended
from webhooks.kit.tenancy import tenant_deleted, tenant_usage

PACKAGES = {"pycurl": "waypost[provider]", "zstandard": "waypost[provider]"}  # those that the receiver does not need
ON_TENANT_DELETED = (
    "delivery.replaying.replays.cancel_all_of",
    "delivery.lifecycle.erasures.cancel_all_of",
    "delivery.replaying.closing.cancel_all_of",
    "delivery.schedules.schedules.delete_schedules_of",
    "delivery.alerts.rules.delete_rules_of",
)
ON_OPERATIONAL_EVENT = "delivery.operational.operational_events.publish_sent"
CONDITIONS = "delivery.alerts.conditions.CONDITIONS"  # that alert rules can watch
AFTER_MIGRATIONS = "delivery.alerts.built_in.create_missing"
ON_ENDPOINTS_NAMED = "delivery.operational.receipt_records.find_endpoints"
ON_RECEIPTS_ENDED = "delivery.operational.receipt_records.publish_ended"
ON_TENANT_USAGE = "delivery.schedules.schedules.count_schedules_of"


class DeliveryConfig(AppConfig):
    """Configure the app of events and their deliveries."""

    name = "delivery"
    verbose_name = "Delivery"

    def import_models(self) -> None:
        """Import the models, if the project has what they need."""
        require_packages(self.name, PACKAGES)
        require_apps(self.name, ["webhooks", "subscriptions"])
        super().import_models()

    def ready(self) -> None:
        """Set default settings, register checks, and connect signals."""
        set_defaults(DEFAULTS)
        register(check_project)
        register(check_api)
        for receiver in ON_TENANT_DELETED:
            tenant_deleted.connect(import_string(receiver))
        operational_event.connect(import_string(ON_OPERATIONAL_EVENT))
        tenant_usage.connect(import_string(ON_TENANT_USAGE))
        conditions.register(import_string(CONDITIONS))
        post_migrate.connect(import_string(AFTER_MIGRATIONS), sender=self)
        endpoints_named.connect(import_string(ON_ENDPOINTS_NAMED))
        receipts_ended.connect(import_string(ON_RECEIPTS_ENDED))
