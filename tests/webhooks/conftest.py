"""Share fixtures of the receiver's tests: empty caches, and notifications and storage under the test's control."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from webhooks.processing import handlers, notify
from webhooks.processing.handler_waits import stop_waits
from webhooks.processing.turns.slow_sources import paces
from webhooks.receiving import published_keys, rejections
from webhooks.sources import snapshot


class CountingNotifier:
    """Count the notifications instead of sending them."""

    def __init__(self) -> None:
        self.calls = 0

    def notify(self) -> None:
        self.calls += 1


@pytest.fixture
def notifications(monkeypatch: pytest.MonkeyPatch) -> CountingNotifier:
    """Count the notifications of receipt workers."""
    counting = CountingNotifier()
    monkeypatch.setattr(notify.receipt_workers, "notify", counting.notify)
    return counting


@pytest.fixture
def claims(settings, tmp_path: Path) -> Path:
    """Store large bodies in a directory of this test."""
    place = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "claims": place}
    return tmp_path


@pytest.fixture
def receiver(notifications: CountingNotifier, claims: Path) -> Iterator[None]:
    """Empty the caches of the receiver, as in a new process."""
    snapshot.clear_snapshots()
    rejections.reset_samples()
    published_keys.clear_keys()
    paces.clear()
    yield
    stop_waits()
    snapshot.clear_snapshots()


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drop the handlers registered in this test after it."""
    monkeypatch.setattr(handlers, "_rules", [])
