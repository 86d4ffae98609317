"""Load libraries without others that they load if they happen to be installed, and that nothing here uses.

What a library imports stays in the memory that all programs share. Each of these can be imported later: an extra of the
platform may need it.
"""

import sys
from importlib import import_module
from typing import Any

UNUSED = {  # by the library that would load them
    "structlog": ("greenlet", "rich", "twisted"),  # for other loggers, and tracebacks that are drawn: 5 MiB
    "redis": ("opentelemetry.sdk",),  # for metrics of its own: 1 MiB
    "django.test.utils": ("jinja2",),  # loaded by the description of the API: 2 MiB
    "rest_framework.compat": ("markdown", "pygments", "requests"),  # for pages, and a client of tests: 4 MiB
}


def load(library: str) -> None:
    """Load one of these libraries, if it is not loaded yet."""
    modules: dict[str, Any] = sys.modules
    hidden = [name for name in UNUSED[library] if name not in modules]
    modules.update(dict.fromkeys(hidden))  # a module that is None cannot be imported
    try:
        import_module(library)
    finally:
        for name in hidden:
            del modules[name]


def load_all() -> None:
    """Load all of them. DJANGO_SETTINGS_MODULE must be set."""
    for library in UNUSED:
        load(library)
