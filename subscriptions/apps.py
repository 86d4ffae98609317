"""Configure the app."""

from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    """Configure the app of tenants, endpoints, subscriptions and event types."""

    name = "subscriptions"
    verbose_name = "Subscriptions"
