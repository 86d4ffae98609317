"""Look up the static files once for all tests.

Each test client loads the middleware anew, which describes some two hundred files: more work than a usual request.
"""

from typing import Any

from whitenoise.middleware import WhiteNoiseMiddleware

_find = WhiteNoiseMiddleware.add_files_from_finders
_found: dict[tuple[str, int | None], dict[str, Any]] = {}  # by what the files are described with


def add_files_once(middleware: WhiteNoiseMiddleware) -> None:
    """Add the files that the finders find. It is put in place of ``WhiteNoiseMiddleware.add_files_from_finders``."""
    known = _found.get(key := (middleware.static_prefix, middleware.max_age))
    if known is None:
        before = set(middleware.files)
        _find(middleware)
        known = _found[key] = {url: file for url, file in middleware.files.items() if url not in before}
    middleware.files.update(known)
