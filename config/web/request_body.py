"""A body that is still on its way, as a thread reads it that must not wait for ever."""

import asyncio
import io
import queue
from collections.abc import AsyncIterator, Callable
from typing import Any

STALL = 10.0  # seconds for a piece to come


class Body(io.RawIOBase):
    """A body for a thread to read: what is held, then what it asks the loop for."""

    def __init__(self, loop: asyncio.AbstractEventLoop, held: bytes) -> None:
        self._loop, self._held, self._more = loop, memoryview(held), True
        self.asked: asyncio.Queue[int] = asyncio.Queue()
        self._came: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        """Raises TimeoutError if nothing comes for ``STALL`` seconds."""
        if not self._held and self._more:
            self._loop.call_soon_threadsafe(self.asked.put_nowait, len(room))
            if (came := self._came.get()) is None:
                raise TimeoutError
            self._held, self._more = memoryview(came), bool(came)
        taken = min(len(room), len(self._held))
        room[:taken] = self._held[:taken]
        self._held = self._held[taken:]
        return taken

    async def fetch(self, wanted: int, pieces: AsyncIterator[bytes]) -> None:
        """As many pieces as there is room for; none: the body has ended, or its sender has gone."""
        late = Late(self._loop, STALL, lambda: self._came.put(None))
        found = bytearray()
        try:
            while len(found) < wanted and (piece := await next_of(pieces)):
                found += piece
                late.put_off()
        finally:
            late.cancel()
            self._came.put(bytes(found))


async def next_of(pieces: AsyncIterator[bytes]) -> bytes:
    """The next piece; none: there are no more. (``anext`` with a default would say it in a word, but in CPython 3.11 it
    ends the process with a segmentation fault after a few dozen bodies: Granian's awaitables are not coroutines.)"""
    try:
        return await anext(pieces)
    except StopAsyncIteration:
        return b""


class Late:
    """True once the time is over, when it calls ``then``. Granian's awaitables cannot be cancelled, so it is the
    other side that has to be told; the connection is closed by that, and what awaits it goes on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, then: Callable[[], None]) -> None:
        self._loop, self._seconds, self._then = loop, seconds, then
        self._over = False
        self.put_off()
        self._timer = loop.call_at(self._end, self._look)

    def __bool__(self) -> bool:
        return self._over

    def put_off(self) -> None:
        """Count from now."""
        self._end = self._loop.time() + self._seconds

    def cancel(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        if self._loop.time() < self._end:
            self._timer = self._loop.call_at(self._end, self._look)
            return
        self._over = True
        self._then()
