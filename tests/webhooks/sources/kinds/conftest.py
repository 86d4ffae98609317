from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from tests.receiver import Receiver
from webhooks.readers.open_readers import close_readers


@pytest.fixture
def loopback() -> Iterator[None]:
    """Let sources connect to servers of the test on this machine, without TLS."""
    with override_settings(WAYPOST_ALLOW_HTTP=True, WAYPOST_ALLOW_NETWORKS=["127.0.0.0/8", "::1/128"]):
        yield


@pytest.fixture
def reading(receiver: None, rules: None, loopback: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Read sources of this test, without waking workers of others; the readers are closed after it."""
    monkeypatch.setattr("webhooks.sources.partitions.reader_workers.notify", lambda: None)
    yield
    close_readers()


@pytest.fixture
def receiver_server(loopback: None) -> Iterator[Receiver]:
    """Return an HTTP server that responds as scripted, in place of another system."""
    with Receiver() as server:
        yield server
