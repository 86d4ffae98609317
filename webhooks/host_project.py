"""Let an app ask the project that installs it for what it needs: apps, packages and settings.

What is missing is named in one sentence that says what to add, before anything fails because of it. Called by the
configurations of the three apps (``apps.py``).
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
