"""Start the platforms that faults run on: a plain one, one with a small disk, one with a settable clock."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.faults.injectors.fault import FAKED_CLOCK, PLAIN, SMALL_DISK
from tests.faults.running_platform import Platform

ENVIRONMENT = {"WAYPOST_FAN_OUT_STEPS": "120"}  # enough for an event at four endpoints, not for a pattern as well
SMALL = "300m"  # the cluster, a few segments of its log, and a run


def missing_requirement(platform_kind: str) -> str:
    """Return what this machine lacks for such a platform, or an empty text."""
    if platform_kind == SMALL_DISK and not _can_mount():
        return "needs root, and a kernel that lets it mount a tmpfs"
    if platform_kind == FAKED_CLOCK and (sys.platform != "linux" or shutil.which("cc") is None):
        return "needs Linux and a C compiler"
    return ""


@contextmanager
def _data() -> Iterator[Path]:
    data = Path(tempfile.mkdtemp(prefix="waypost-faults-"))
    data.chmod(0o711)  # so that the servers' user can traverse it when we are root
    try:
        yield data
    finally:
        shutil.rmtree(data, ignore_errors=True)


@contextmanager
def plain() -> Iterator[Platform]:
    """Run a platform."""
    with _data() as data, Platform(data, ENVIRONMENT) as platform:
        yield platform


@contextmanager
def small_disk() -> Iterator[Platform]:
    """Run a platform whose PostgreSQL is on a small tmpfs."""
    with _data() as data:
        home = data / "postgres" / "home"
        for directory in (home.parent, home):
            directory.mkdir(mode=0o711)
        platform = Platform(data, ENVIRONMENT, mounted=home)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=700", "none", home], check=True)
        with platform:
            yield platform


@contextmanager
def faked_clock() -> Iterator[Platform]:
    """Run a platform whose programs have a settable clock; the servers and the tests have the real one."""
    with _data() as data:
        library, clock = data / "clock.so", data / "clock"
        clock.write_text("0")
        source = Path(__file__).with_name("clock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
        faked = {"LD_PRELOAD": str(library), "WAYPOST_FAULTS_CLOCK": str(clock)}
        with Platform(data, ENVIRONMENT | faked) as platform:
            yield platform


PLATFORMS: dict[str, Callable[[], AbstractContextManager[Platform]]] = {
    PLAIN: plain,
    SMALL_DISK: small_disk,
    FAKED_CLOCK: faked_clock,
}


def _can_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True)
        return done.returncode == 0 and subprocess.run(["umount", place]).returncode == 0
