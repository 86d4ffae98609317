"""Test the sizes of the platform for machines, and what a container leaves of one."""

from pathlib import Path

import pytest

from config import machine
from config.machine import GIB, MIB, Sizes, sizes


@pytest.mark.parametrize(
    ("cores", "gibibytes", "expected"),
    [
        (1, 1, Sizes(1, 8, 1, 3, 32 * MIB)),
        (2, 4, Sizes(1, 16, 1, 3, 128 * MIB)),
        (4, 8, Sizes(2, 16, 2, 3, 256 * MIB)),
        (16, 32, Sizes(8, 16, 8, 8, 256 * MIB)),
        (64, 256, Sizes(32, 16, 32, 32, 2 * GIB)),
        (0.5, 0.5, Sizes(1, 8, 1, 3, 32 * MIB)),
    ],
)
def test_sizes_follow_processors_and_memory(cores: float, gibibytes: float, expected: Sizes) -> None:
    assert sizes(cores, int(gibibytes * GIB)) == expected


@pytest.fixture
def cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the root of the control groups; this process is in the group /pod/container of version 2."""
    (tmp_path / "own").write_text("0::/pod/container\n")
    (tmp_path / "groups" / "pod" / "container").mkdir(parents=True)
    monkeypatch.setattr(machine, "OWN_CGROUP", tmp_path / "own")
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "groups")
    return tmp_path / "groups"


def test_limits_of_the_group_and_of_those_around_it_count(cgroup: Path) -> None:
    (cgroup / "pod" / "cpu.max").write_text("50000 100000\n")
    (cgroup / "pod" / "container" / "cpu.max").write_text("max 100000\n")
    (cgroup / "pod" / "container" / "memory.max").write_text("67108864\n")
    assert machine.cores() == 0.5
    assert machine.memory() == 64 * MIB


def test_limits_of_version_1_count(cgroup: Path) -> None:
    machine.OWN_CGROUP.write_text("4:memory:/\n3:cpu,cpuacct:/\n")
    for controller in ("memory", "cpu,cpuacct"):
        (cgroup / controller).mkdir()
    (cgroup / "cpu,cpuacct" / "cpu.cfs_quota_us").write_text("25000\n")
    (cgroup / "cpu,cpuacct" / "cpu.cfs_period_us").write_text("100000\n")
    (cgroup / "memory" / "memory.limit_in_bytes").write_text("33554432\n")
    assert machine.cores() == 0.25
    assert machine.memory() == 32 * MIB


def test_machine_without_control_groups_is_the_whole_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "OWN_CGROUP", tmp_path / "missing")
    assert machine.cores() >= 1
    assert machine.memory() > 64 * MIB
