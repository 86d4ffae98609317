"""The file of a program is touched while its loop turns, at most every few seconds, and not by a fork."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from webhooks.kit.process import pulse as module
from webhooks.kit.process.pulse import BEAT_EVERY, Pulse


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    found = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


def touched_at(path: Path) -> float:
    """Return when the file was touched, and make it old."""
    found = path.stat().st_mtime
    os.utime(path, (1.0, 1.0))
    return found


def test_pulse_touches_its_file_again_only_after_a_while(tmp_path: Path, clock: SimpleNamespace) -> None:
    path, pulse = tmp_path / "web", Pulse()
    pulse.begin(path)
    pulse.beat()
    assert touched_at(path) > 1.0
    pulse.beat()
    assert touched_at(path) == 1.0
    clock.now += BEAT_EVERY
    pulse.beat()
    assert touched_at(path) > 1.0


def test_pulse_that_has_not_begun_touches_nothing(tmp_path: Path) -> None:
    Pulse().beat()
    assert list(tmp_path.iterdir()) == []


def test_fork_does_not_touch_the_file_of_its_parent(tmp_path: Path, clock: SimpleNamespace) -> None:
    path, pulse = tmp_path / "work", Pulse()
    pulse.begin(path)
    touched_at(path)
    child = os.fork()
    if not child:
        pulse.beat()
        os._exit(0)
    os.waitpid(child, 0)
    assert touched_at(path) == 1.0
