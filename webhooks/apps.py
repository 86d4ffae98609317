"""Configure the receiver as a Django app."""

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import register
from django.utils.module_loading import autodiscover_modules, import_string

from webhooks.checks import check_project
from webhooks.host_logging import use_logging
from webhooks.kit.tenancy import tenant_deleted, tenant_usage
from webhooks.processing.handler_registry import check_handlers

DEFAULTS = {
    "WAYPOST_ALLOW_HTTP": False,  # published keys are fetched over https only
    "WAYPOST_ALLOW_NETWORKS": [],  # and from public addresses only
    "WAYPOST_ALLOW_SELF": False,  # and not from the project itself, whose address is PUBLIC_URL
    "PUBLIC_URL": "",
    "WAYPOST_NAME_SERVERS": [],  # those of resolv.conf
    "WAYPOST_DROPS_UNDERSCORES": False,  # the server may keep header names with underscores
    "WAYPOST_LOOKUPS_PER_TENANT": 16,  # at the same time in one process
    "WAYPOST_CALLS_PER_TENANT": 16,
    "WAYPOST_HANDLERS": {},
    "WAYPOST_HANDLER_WAITS": 50,  # requests of a source and web process that wait for handlers
    "WAYPOST_TRUSTED_PROXIES": [],
}
"""Settings a project may leave out; each default is the restrictive one."""
ON_TENANT_USAGE = "webhooks.sources.sources.count_sources_of"
ON_TENANT_DELETED = "webhooks.sources.sources.delete_sources_of"


class WebhooksConfig(AppConfig):
    """The receiver. Any installed app may register handlers in a module called ``webhook_handlers``."""

    name = "webhooks"
    verbose_name = "Receiver"

    def ready(self) -> None:
        """Set default settings, register checks, connect signals, and import the handlers of all apps."""
        use_logging()
        for name, value in DEFAULTS.items():
            if not hasattr(settings, name):
                setattr(settings, name, value)
        register(check_handlers)
        register(check_project)
        tenant_usage.connect(import_string(ON_TENANT_USAGE))
        tenant_deleted.connect(import_string(ON_TENANT_DELETED))
        autodiscover_modules("webhook_handlers")
