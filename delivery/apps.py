"""Configure the app."""

from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    """Configure the app of events and their deliveries."""

    name = "delivery"
    verbose_name = "Delivery"
