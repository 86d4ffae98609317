"""Define an attack, and register attacks by number."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.isolation.attacker import Attacker

# Platforms: with all defaults, with 1,024 open files at most, with events of 10 MB, with a clock that can be set.
PLAIN, FEW_FILES, LARGE_EVENTS, FAKED_CLOCK = "plain", "few files", "large events", "faked clock"
Function = Callable[["Attacker"], None]


@dataclass(frozen=True)
class Attack:
    """``run`` prepares the attack, starts its clients in threads, and returns.

    ``is_outcome``: not about time; ``run`` reports breaches itself. ``is_short``: part of `make test`. ``by_name``:
    needs a name server that hangs.
    """

    number: int
    name: str
    run: Function
    platform: str = PLAIN
    is_outcome: bool = False
    is_short: bool = False
    by_name: bool = False

    @property
    def sentence(self) -> str:
        return (self.run.__doc__ or "").strip().splitlines()[0]


ATTACKS: dict[int, Attack] = {}


def attack(
    number: int,
    name: str,
    *,
    platform: str = PLAIN,
    is_outcome: bool = False,
    is_short: bool = False,
    by_name: bool = False,
) -> Callable[[Function], Function]:
    """Register the decorated function as an attack."""

    def register(function: Function) -> Function:
        assert number not in ATTACKS, number
        ATTACKS[number] = Attack(number, name, function, platform, is_outcome, is_short, by_name)
        return function

    return register
