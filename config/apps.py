"""Register the platform as a Django app, for its management commands.

It comes first in INSTALLED_APPS, so that the Celery app exists before any module that defines tasks is loaded.
"""

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate
from django.utils.module_loading import import_string

from config.celery import app as celery_app
from config.metrics import statement_errors
from config.ops import job_log, statement_timeout
from config.postgresql import pooled_requests
from config.traces import switch as traces

__all__ = ["PlatformConfig", "celery_app"]


ADMIN_TITLES = {"otp_totp": "Second factors", "otp_static": "Recovery codes"}  # of apps that have none for people
MAKE_ROLES = "config.access.roles.after_migration"  # imports models, so only once the apps are loaded


class PlatformConfig(AppConfig):
    """Django's configuration of the app ``config``."""

    name = "config"
    verbose_name = "Platform"

    def ready(self) -> None:
        """Connect what listens to the signals of Django."""
        statement_errors.connect_signals()
        pooled_requests.connect_signals()
        statement_timeout.connect_signals()
        job_log.connect_signals()
        for app, title in ADMIN_TITLES.items():
            apps.get_app_config(app).verbose_name = title
        post_migrate.connect(import_string(MAKE_ROLES), dispatch_uid="roles")
        traces.connect_signals()
