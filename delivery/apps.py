"""Configure the app."""

from django.apps import AppConfig
from django.utils.module_loading import import_string

from webhooks.kit.tenancy import tenant_deleted

ON_TENANT_DELETED = "delivery.replaying.replays.cancel_all_of"


class DeliveryConfig(AppConfig):
    """Configure the app of events and their deliveries."""

    name = "delivery"
    verbose_name = "Delivery"

    def ready(self) -> None:
        """Connect signals."""
        tenant_deleted.connect(import_string(ON_TENANT_DELETED))
