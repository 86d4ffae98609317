"""Check the measurement of processors."""

import time
from pathlib import Path

import pytest

from delivery.load import machine
from delivery.load.machine import Processors


def test_processors_of_this_process_are_measured_between_two_readings() -> None:
    processors = Processors()
    began, until = time.monotonic(), time.process_time() + 0.05
    while time.process_time() < until:
        pass
    cpu, of_machine = processors.read()
    assert 0.05 / (time.monotonic() - began) * 0.5 <= cpu
    assert 0 <= of_machine <= 1


def test_processors_of_the_machine_are_the_ticks_that_were_not_idle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stat = tmp_path / "stat"
    monkeypatch.setattr(machine, "STAT", stat)
    stat.write_text("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 1\n")
    processors = Processors()
    stat.write_text("cpu  150 0 125 720 105 0 0 0 90 0\ncpu0 1 1\n")  # 75 of 100 ticks; guest time counts as user time
    assert processors.read()[1] == pytest.approx(0.75)


def test_processors_of_the_machine_without_proc_are_its_load_average(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "STAT", tmp_path / "missing")
    assert 0 <= Processors().read()[1] <= 1
