"""A data directory of its own for tests that start platforms and servers."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.local import embedded


@pytest.fixture
def data() -> Iterator[Path]:
    """Private, as `mktemp -d` makes it: for root, out of reach of the servers' user."""
    with tempfile.TemporaryDirectory() as above:
        data = Path(above) / "data"
        yield data
        embedded.discard(data)
