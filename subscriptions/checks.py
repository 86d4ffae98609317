"""Check at start-up what the admin pages of the provider need of their project: django-unfold."""

from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Info

NEEDED_BY_ADMIN = ("unfold", "unfold.contrib.filters", "django.contrib.humanize")


def check_admin(**_options: Any) -> list[CheckMessage]:
    """Return a remark if the project has Django's admin, and not the apps that our pages in it need."""
    missing = [name for name in NEEDED_BY_ADMIN if not apps.is_installed(name)]
    if not missing or not apps.is_installed("django.contrib.admin"):
        return []
    names = ", ".join(f'"{name}"' for name in missing)
    text = f"The admin has no pages of tenants, endpoints, events and deliveries: INSTALLED_APPS lacks {names}."
    hint = 'pip install "waypost[admin]", and write "unfold" before "django.contrib.admin".'
    return [Info(text, hint=hint, id="subscriptions.I001")]
