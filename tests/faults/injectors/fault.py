"""A fault is a function: what stands before its ``yield`` breaks something, what stands after it mends it.

It says how long it lasts, and how many drains it can cut off from what they have in flight: each attempt in flight
may be made once more then, and no other may.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.faults.house import House
from tests.faults.proxy import Proxy

PLAIN, SMALL_DISK, FAKED_CLOCK = "plain", "small disk", "faked clock"  # the house a fault wants


@dataclass(frozen=True)
class Victim:
    """What a fault may lay hands on. ``dice`` decides whatever is left to chance."""

    house: House
    proxy: Proxy
    dice: random.Random


@dataclass(frozen=True)
class Fault:
    """``seconds`` from breaking to mending; ``cuts`` drains at most; ``always`` is the status that publishing has to
    answer all the while, if there is one."""

    name: str
    strike: Callable[[Victim], AbstractContextManager[None]]
    seconds: float = 0.0
    cuts: int = 0
    always: int | None = None
    wants: str = PLAIN


FAULTS: dict[str, Fault] = {}
Striking = Callable[[Victim], Iterator[None]]


def fault(name: str, **traits: object) -> Callable[[Striking], Striking]:
    def note(strike: Striking) -> Striking:
        FAULTS[name] = Fault(name, contextmanager(strike), **traits)  # type: ignore[arg-type]
        return strike

    return note
