"""Load structlog without the libraries that it loads if they happen to be installed, and that nothing here uses.

Its tracebacks could be drawn by rich, and it could write to Twisted's log; the two take up to 5 MiB of the memory that
all programs share. Both can be imported later.
"""

import sys
from importlib import import_module
from typing import Any

UNUSED = ("greenlet", "rich", "twisted")


def load_structlog() -> None:
    """Load structlog, if it is not loaded yet."""
    modules: dict[str, Any] = sys.modules
    hidden = [name for name in UNUSED if name not in modules]
    modules.update(dict.fromkeys(hidden))  # a module that is None cannot be imported
    try:
        import_module("structlog")
    finally:
        for name in hidden:
            del modules[name]
