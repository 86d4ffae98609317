from django.apps import AppConfig
from django.core.checks import register
from django.utils.module_loading import autodiscover_modules

from webhooks.choices import check_names


class WebhooksConfig(AppConfig):
    """The receiver. Any installed app may register handlers in a module called ``webhook_handlers``."""

    name = "webhooks"
    verbose_name = "Receiver"

    def ready(self) -> None:
        register(check_names)
        autodiscover_modules("webhook_handlers")
