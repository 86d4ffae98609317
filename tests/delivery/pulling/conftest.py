"""Fixtures of the tests of pulling."""

import threading
from collections.abc import Iterator

import pytest

from delivery.pulling import waiting
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def listener_ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the thread that listens for consumers end with the test, and with it its connection."""
    monkeypatch.setattr(waiting, "IDLE_FOR", 0.1)
    yield
    wait_until(lambda: all(it.name != "consumers" for it in threading.enumerate()), "the listener to end")
