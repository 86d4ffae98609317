"""Inject faults into the environment of the platform: the disk, the clock, the endpoints."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.faults.injectors.fault import FAKED_CLOCK, SMALL_DISK, FaultTarget, fault
from tests.faults.proxy import MODES


@fault("the disk of PostgreSQL full", seconds=6.0, platform_kind=SMALL_DISK)
def fill_disk(target: FaultTarget) -> Iterator[None]:
    ballast = target.platform.data / "postgres" / "home" / "ballast"
    fill(ballast)
    yield
    ballast.unlink()


def clock_jump(name: str, seconds: int) -> None:
    """Register a fault that sets the clock off by this many seconds, and back."""

    @fault(name, seconds=4.0, required_status=202, platform_kind=FAKED_CLOCK)
    def inject(target: FaultTarget) -> Iterator[None]:
        target.platform.clock.write_text(str(seconds))
        yield
        target.platform.clock.write_text("0")


clock_jump("the clock an hour ahead, and back", 3_600)
clock_jump("the clock an hour behind, and back", -3_600)


def misbehave(mode: str) -> None:
    """Register a fault that switches the proxy to this mode, and back."""

    @fault(f"an endpoint: {mode}", seconds=4.0, required_status=202)
    def inject(target: FaultTarget) -> Iterator[None]:
        target.proxy.mode = mode
        yield
        target.proxy.mode = "pass"


for _mode in MODES[1:]:
    misbehave(_mode)


def fill(ballast: Path) -> None:
    """Fill the disk to the last page."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1024**2, 4096):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
