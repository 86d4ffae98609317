"""Fixtures of the tests of delivering."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from config.local import embedded
from delivery.publishing import publish_rate
from tests.delivery.archiving.factories import file_storage
from tests.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a server that receives what is sent to endpoints."""
    with Receiver() as it:
        yield it


@pytest.fixture
def archive_folder(settings: Any, tmp_path: Path) -> Path:
    """Set up an archive in a folder, and return the folder."""
    settings.STORAGES = {**settings.STORAGES, "archive": file_storage(tmp_path)}
    return tmp_path


@pytest.fixture
def rate_clock_stopped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use Valkey for publish rates, with clocks that the tests do not advance: no token is added, and none expires."""
    if settings.WAYPOST_EMBEDDED_BROKER:
        embedded.attach(embedded.VALKEY, Path(settings.WAYPOST_DATA))
    stopped = publish_rate.GCRA.replace("redis.call('TIME')", "{1000000000, 0}").replace("'PX', 2000", "'PX', 600000")
    monkeypatch.setattr(publish_rate, "GCRA", stopped)
    monkeypatch.setattr(publish_rate, "TIMEOUT", 60.0)
    monkeypatch.setattr(publish_rate, "monotonic", lambda: 1000.0)
    publish_rate.forget()
    yield
    publish_rate.forget()
