"""Where a fault is tried: a plain house, one with a small disk, one whose clock can be set. Or why not here."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.faults.house import House
from tests.faults.injectors.fault import FAKED_CLOCK, PLAIN, SMALL_DISK

SMALL = "300m"  # of memory: the cluster, a few segments of its log, and room for a run


def why_not(wants: str) -> str:
    """Why there is no such house on this machine; empty: there is."""
    if wants == SMALL_DISK and not _can_mount():
        return "needs root, and a kernel that lets it mount a tmpfs"
    if wants == FAKED_CLOCK and (sys.platform != "linux" or shutil.which("cc") is None):
        return "needs Linux and a C compiler"
    return ""


@contextmanager
def _data() -> Iterator[Path]:
    data = Path(tempfile.mkdtemp(prefix="waypost-faults-"))
    data.chmod(0o711)  # the servers' user passes through, where we are root
    try:
        yield data
    finally:
        shutil.rmtree(data, ignore_errors=True)


@contextmanager
def plain() -> Iterator[House]:
    with _data() as data, House(data, {}) as house:
        yield house


@contextmanager
def small_disk() -> Iterator[House]:
    with _data() as data:
        home = data / "postgres" / "home"
        for directory in (home.parent, home):
            directory.mkdir(mode=0o711)
        house = House(data, {}, mounted=home)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=700", "none", home], check=True)
        with house:
            yield house


@contextmanager
def faked_clock() -> Iterator[House]:
    """The platform's own programs have it; the servers, and whoever measures, have the true one."""
    with _data() as data:
        library, clock = data / "clock.so", data / "clock"
        clock.write_text("0")
        source = Path(__file__).with_name("clock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
        with House(data, {"LD_PRELOAD": str(library), "WAYPOST_FAULTS_CLOCK": str(clock)}) as house:
            yield house


HOUSES: dict[str, Callable[[], AbstractContextManager[House]]] = {
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
