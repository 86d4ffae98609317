"""Check that a project which installs an app has what the app needs: other apps, packages and settings.

An error names what is missing and what to add, before anything else fails because of it. Called by the ``apps.py`` of
the three apps.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def require_apps(app: str, needed: Sequence[str]) -> None:
    """Raise ImproperlyConfigured if one of these apps is not installed."""
    if missing := [name for name in needed if not apps.is_installed(name)]:
        names = ", ".join(f'"{name}"' for name in [*missing, app])
        raise ImproperlyConfigured(f'The app "{app}" needs others: write {names} in INSTALLED_APPS.')


def require_packages(app: str, needed: Mapping[str, str]) -> None:
    """Raise ImproperlyConfigured if one of these modules is not installed; the values are requirements of pip."""
    missing = {requirement: module for module, requirement in needed.items() if find_spec(module) is None}
    for requirement, module in missing.items():
        raise ImproperlyConfigured(f'The app "{app}" needs the package {module}: pip install "{requirement}".')


def set_defaults(defaults: Mapping[str, Any]) -> None:
    """Set the settings that the project leaves out."""
    for name, value in defaults.items():
        if not hasattr(settings, name):
            setattr(settings, name, value)
