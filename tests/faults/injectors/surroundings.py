"""What the platform stands on and speaks to: the disk, the clock, the endpoints."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.faults.injectors.fault import FAKED_CLOCK, SMALL_DISK, Victim, fault
from tests.faults.proxy import MODES


@fault("the disk of PostgreSQL full", seconds=6.0, wants=SMALL_DISK)
def fill_disk(on: Victim) -> Iterator[None]:
    ballast = on.house.data / "postgres" / "home" / "ballast"
    fill(ballast)
    yield
    ballast.unlink()


def jump(name: str, seconds: int) -> None:
    @fault(name, seconds=4.0, always=202, wants=FAKED_CLOCK)
    def strike(on: Victim) -> Iterator[None]:
        on.house.clock.write_text(str(seconds))
        yield
        on.house.clock.write_text("0")


jump("the clock an hour ahead, and back", 3_600)
jump("the clock an hour behind, and back", -3_600)


def misbehave(mode: str) -> None:
    @fault(f"an endpoint: {mode}", seconds=4.0, always=202)
    def strike(on: Victim) -> Iterator[None]:
        on.proxy.mode = mode
        yield
        on.proxy.mode = "pass"


for _mode in MODES[1:]:
    misbehave(_mode)


def fill(ballast: Path) -> None:
    """Take every byte there is, down to the last page."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1024**2, 4096):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
