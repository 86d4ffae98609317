"""Look up the host names of attempts before libcurl sees them.

libcurl resolves names on 20 threads for all transfers of a multi handle, so a few names that hang delay every other
name. Here an attempt waits for its addresses outside of libcurl, with a share of the lookups for each tenant (see
``webhooks.outgoing.resolver``), and is then started with these addresses. The time counts as part of its timeout. The
address that is connected to is checked at the connect, as always (see ``exchange``).
"""

import time
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import lru_cache
from typing import NamedTuple

from delivery.transports.http.request import Request
from delivery.transports.in_flight import InFlight
from webhooks.outgoing.resolver import LookupTimeout, Resolution, resolve
from webhooks.wire.addresses.parsed_url import ForbiddenAddress, ParsedUrl, parse

MAX_KNOWN = 20_000  # resolutions of one sender; beyond it they are looked up again


class WaitingAttempt(NamedTuple):
    """An attempt that waits for its addresses since ``started`` and until ``deadline``, in monotonic seconds."""

    attempt: InFlight
    request: Request
    started: float
    deadline: float


Name = tuple[Hashable, str]  # share and host
Result = Resolution | BaseException


class Lookups:
    """Hold the attempts of one sender that wait for addresses. For the sender's thread; ``wake_up`` is thread-safe."""

    def __init__(self, wake_up: Callable[[], None]) -> None:
        self._wake_up = wake_up
        self._known: dict[Name, Resolution] = {}
        self._waiting: dict[Name, list[WaitingAttempt]] = {}
        self._ended: deque[tuple[Name, Future[Resolution]]] = deque()
        self.next_deadline: float | None = None

    def find(self, request: Request) -> Resolution | None:
        """Return the addresses of the request's host if they are known and valid."""
        known = self._known.get(_name(request))
        return known if known is not None and time.monotonic() < known.expires_at else None

    def wait(self, waiting: WaitingAttempt) -> None:
        """Look the name up, and keep the attempt until ``take`` returns it."""
        name = _name(waiting.request)
        others = self._waiting.setdefault(name, [])
        others.append(waiting)
        if self.next_deadline is None or waiting.deadline < self.next_deadline:
            self.next_deadline = waiting.deadline
        if len(others) == 1:
            share, host = name
            resolve(host, share).add_done_callback(lambda future: self._on_ended(name, future))

    def _on_ended(self, name: Name, future: "Future[Resolution]") -> None:
        self._ended.append((name, future))
        self._wake_up()

    def take(self) -> list[tuple[WaitingAttempt, Result]]:
        """Return the attempts whose lookup has ended, and those whose time is up."""
        ended: list[tuple[WaitingAttempt, Result]] = []
        while self._ended:
            name, future = self._ended.popleft()
            result = future.exception() or future.result()
            if isinstance(result, Resolution):
                if len(self._known) >= MAX_KNOWN:
                    self._known.clear()
                self._known[name] = result
            ended += [(waiting, result) for waiting in self._waiting.pop(name, ())]
        if self.next_deadline is not None and self.next_deadline <= time.monotonic():
            ended += self._take_late()
        return ended

    def _take_late(self) -> list[tuple[WaitingAttempt, Result]]:
        now = time.monotonic()
        late: list[tuple[WaitingAttempt, Result]] = []
        for name, attempts in self._waiting.items():
            late += [(it, LookupTimeout()) for it in attempts if it.deadline <= now]
            self._waiting[name] = [it for it in attempts if it.deadline > now]
        deadlines = [it.deadline for attempts in self._waiting.values() for it in attempts]
        self.next_deadline = min(deadlines, default=None)
        return late


@lru_cache(maxsize=MAX_KNOWN)
def target_of(url: str) -> ParsedUrl | None:
    """Return the parts of a URL, or None for one that may not be called."""
    try:
        return parse(url, allow_http=True)
    except ForbiddenAddress:
        return None


def _name(request: Request) -> Name:
    target = target_of(request.url)
    return request.share, target.host if target else ""
