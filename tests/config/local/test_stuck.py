"""A program whose loop does not turn is found and restarted; one that waits, or a supervisor that slept, is not."""

import os
import sys
import time
from pathlib import Path

import pytest

from config.local import stuck
from config.local.process_guard import ProcessGuard
from config.local.stuck import PAUSED_AFTER, STUCK_AFTER, StuckWatch
from config.local.supervise import Child, Supervisor

LOOK_EVERY = 5.0
BEATS_ONCE = (
    "import os, pathlib, time; pathlib.Path({path!r}).touch(); print('begun', os.getpid(), flush=True); time.sleep(600)"
)


def looks(watch: StuckWatch, seconds: float, *, start: float = 1_000.0, touch: Path | None = None) -> list[float]:
    """Look every LOOK_EVERY seconds, and return what was found."""
    found = []
    for number in range(int(seconds / LOOK_EVERY) + 1):
        if touch is not None:
            os.utime(touch, ns=(number, number))
        if (one := watch.seconds_stuck("web", start + number * LOOK_EVERY)) is not None:
            found.append(one)
    return found


def test_program_that_stops_touching_its_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "web").touch()
    watch = StuckWatch(tmp_path)
    assert looks(watch, STUCK_AFTER) == []
    assert looks(watch, 0.0, start=1_000.0 + STUCK_AFTER + LOOK_EVERY) == [STUCK_AFTER + LOOK_EVERY]


def test_program_that_touches_its_file_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "web").touch()
    assert looks(StuckWatch(tmp_path), 10 * STUCK_AFTER, touch=tmp_path / "web") == []


def test_program_without_a_file_is_not_found(tmp_path: Path) -> None:
    assert looks(StuckWatch(tmp_path), 10 * STUCK_AFTER) == []


def test_supervisor_that_slept_gives_all_programs_the_full_time_again(tmp_path: Path) -> None:
    (tmp_path / "web").touch()
    watch = StuckWatch(tmp_path)
    looks(watch, STUCK_AFTER - LOOK_EVERY)
    assert looks(watch, STUCK_AFTER, start=1_000.0 + STUCK_AFTER + PAUSED_AFTER) == []


def test_restarted_program_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "web").touch()
    watch = StuckWatch(tmp_path)
    looks(watch, STUCK_AFTER)
    watch.forget("web")
    assert not (tmp_path / "web").exists()
    assert looks(watch, 0.0, start=1_000.0 + STUCK_AFTER + LOOK_EVERY) == []


def test_supervisor_kills_and_restarts_a_program_that_is_stuck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stuck, "STUCK_AFTER", 0.2)
    one = Child("one", [sys.executable, "-c", BEATS_ONCE.format(path=str(tmp_path / "one"))], 1, 10.0)
    supervisor = Supervisor([one], ProcessGuard(str(tmp_path / "family")))
    supervisor.stuck = StuckWatch(tmp_path)
    supervisor.start()
    assert one.process
    first = one.process.pid
    until = time.monotonic() + 60
    try:
        while one.process is None or one.process.pid == first:
            assert time.monotonic() < until
            supervisor.check()
    finally:
        supervisor.stop()
    assert "one has been stuck for" in capsys.readouterr().out
    assert one.early_exits == 0  # no crash loop
