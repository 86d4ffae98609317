from collections.abc import Iterator

import pytest

from tests.webhooks.readers import scripted
from tests.webhooks.readers.scripted import System
from webhooks.models import Source
from webhooks.readers.open_readers import close_readers
from webhooks.sources.kinds import registry
from webhooks.sources.sources import create_source


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """The other system of the kinds scripted and partitioned, which are known for this test."""
    scripted.system.reset()
    monkeypatch.setitem(registry.FILES, "scripted", scripted.PATH)
    monkeypatch.setitem(registry.FILES, "partitioned", scripted.PATH.replace("Scripted", "Partitioned"))
    scripted.system.partitions = {"": []}
    yield scripted.system
    close_readers()


def read_source(kind: str = "scripted", **fields: object) -> Source:
    """Create a source that is read."""
    return create_source(**{"kind": kind, "scheme": "none", "settings": {"topic": "orders"}, **fields})  # type: ignore[arg-type]
