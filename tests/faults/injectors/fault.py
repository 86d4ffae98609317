"""Define faults as functions: the code before ``yield`` injects the fault, the code after it repairs it.

A fault states how long it lasts, and how many drains it can cut off from their attempts in flight: only those attempts
may be sent once more.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.faults.proxy import Proxy
from tests.faults.running_platform import Platform

PLAIN, SMALL_DISK, FAKED_CLOCK = "plain", "small disk", "faked clock"  # kinds of platforms that faults run on


@dataclass(frozen=True)
class FaultTarget:
    """The platform and proxy that a fault acts on, and its random numbers."""

    platform: Platform
    proxy: Proxy
    chance: random.Random


@dataclass(frozen=True)
class Fault:
    """A named fault.

    ``seconds``: from injection to repair. ``cut_drains``: the drains it can cut off. ``required_status``: the status
    that every publish request must get during the fault, if there is one.
    """

    name: str
    inject: Callable[[FaultTarget], AbstractContextManager[None]]
    seconds: float = 0.0
    cut_drains: int = 0
    required_status: int | None = None
    platform_kind: str = PLAIN


FAULTS: dict[str, Fault] = {}
Injecting = Callable[[FaultTarget], Iterator[None]]


def fault(name: str, **traits: object) -> Callable[[Injecting], Injecting]:
    """Register the decorated function as a fault."""

    def register(inject: Injecting) -> Injecting:
        FAULTS[name] = Fault(name, contextmanager(inject), **traits)  # type: ignore[arg-type]
        return inject

    return register
