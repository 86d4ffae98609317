"""Configure the receiver as a Django app."""

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.checks import register
from django.utils.module_loading import autodiscover_modules, import_string

from webhooks.checks import check_project
from webhooks.defaults import DEFAULTS
from webhooks.host.logs import use_logging
from webhooks.host.project import set_defaults
from webhooks.kit.conditions import registry as conditions
from webhooks.kit.tenancy import events_erased, messages_counted, tenant_deleted, tenant_usage
from webhooks.kit.tracing.spans import Switch
from webhooks.processing.handler_registry import check_handlers

CONDITIONS = "webhooks.conditions.CONDITIONS"  # that alert rules of the provider can watch
ON_TENANT_USAGE = "webhooks.sources.sources.count_sources_of"
ON_EVENTS_ERASED = "webhooks.processing.erasing.receipts.erase_receipts"
ON_MESSAGES_COUNTED = "webhooks.sources.source_stats.received_by_tenant"
ON_TENANT_DELETED = ("webhooks.sources.sources.delete_sources_of", "webhooks.processing.replays.cancel_all_of")


class WebhooksConfig(AppConfig):
    """The receiver. Any installed app may register handlers in a module called ``webhook_handlers``."""

    name = "webhooks"
    verbose_name = "Receiver"

    def ready(self) -> None:
        """Set default settings, register checks, connect signals, and import the handlers of all apps."""
        use_logging()
        set_defaults(DEFAULTS)
        Switch.is_on = bool(settings.WAYPOST_TRACES)
        register(check_handlers)
        register(check_project)
        tenant_usage.connect(import_string(ON_TENANT_USAGE))
        events_erased.connect(import_string(ON_EVENTS_ERASED))
        messages_counted.connect(import_string(ON_MESSAGES_COUNTED))
        for receiver in ON_TENANT_DELETED:
            tenant_deleted.connect(import_string(receiver))
        conditions.register(import_string(CONDITIONS))
        user_logged_in.connect(import_string("webhooks.audit.sign_ins.record_sign_in"))
        user_login_failed.connect(import_string("webhooks.audit.sign_ins.record_failure"))
        autodiscover_modules("webhook_handlers")
