from django.apps import AppConfig
from django.conf import settings
from django.core.checks import register
from django.utils.module_loading import autodiscover_modules

from webhooks.checks import check_project
from webhooks.processing.handler_registry import check_handlers

DEFAULTS = {
    "WAYPOST_ALLOW_HTTP": False,  # keys of senders are fetched over https only,
    "WAYPOST_ALLOW_NETWORKS": [],  # and from public addresses
    "WAYPOST_HANDLERS": {},
    "WAYPOST_TRUSTED_PROXIES": [],
}
"""What a project need not say: the closed side of each."""


class WebhooksConfig(AppConfig):
    """The receiver. Any installed app may register handlers in a module called ``webhook_handlers``."""

    name = "webhooks"
    verbose_name = "Receiver"

    def ready(self) -> None:
        for name, value in DEFAULTS.items():
            if not hasattr(settings, name):
                setattr(settings, name, value)
        register(check_handlers)
        register(check_project)
        autodiscover_modules("webhook_handlers")
