"""Provide a data directory for tests that start platforms and servers."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.local import embedded


@pytest.fixture
def data() -> Iterator[Path]:
    """Return a path in a private directory, which the servers' user cannot reach if the tests run as root."""
    with tempfile.TemporaryDirectory() as above:
        data = Path(above) / "data"
        yield data
        embedded.discard(data)


@pytest.fixture
def broker(settings: Any) -> str:
    """Return the URL of a running broker."""
    if settings.WAYPOST_EMBEDDED_BROKER:
        embedded.attach(embedded.VALKEY, Path(settings.WAYPOST_DATA))
    return str(settings.CELERY_BROKER_URL)
