"""Let a thread read a request body that is still arriving, with a time limit for each piece."""

import asyncio
import io
import queue
from collections.abc import AsyncIterator, Callable
from typing import Any

STALL = 10.0  # seconds for a piece to come


class Body(io.RawIOBase):
    """A request body as a file: first the bytes that have arrived, then what the event loop fetches on request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, held: bytes) -> None:
        self._loop, self._held, self._more = loop, memoryview(held), True
        self.asked: asyncio.Queue[int] = asyncio.Queue()
        self._came: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, room: Any) -> int:
        """Read into a buffer. Raises TimeoutError if nothing arrives for ``STALL`` seconds."""
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
        """Fetch pieces up to the wanted size; an empty result means the end of the body, or a closed connection."""
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
    """Return the next piece, or b"" at the end.

    ``anext`` with a default crashes CPython 3.11 after a few dozen bodies: Granian's awaitables are no coroutines.
    """
    try:
        return await anext(pieces)
    except StopAsyncIteration:
        return b""


class Late:
    """A deadline that can be put off: true once it has passed, when it calls ``then``.

    Granian's awaitables cannot be cancelled, so ``then`` responds to the client, which ends the connection and with it
    the wait.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, then: Callable[[], None]) -> None:
        self._loop, self._seconds, self._then = loop, seconds, then
        self._over = False
        self.put_off()
        self._timer = loop.call_at(self._end, self._look)

    def __bool__(self) -> bool:
        return self._over

    def put_off(self) -> None:
        """Restart the time."""
        self._end = self._loop.time() + self._seconds

    def cancel(self) -> None:
        """Cancel the deadline."""
        self._timer.cancel()

    def _look(self) -> None:
        if self._loop.time() < self._end:
            self._timer = self._loop.call_at(self._end, self._look)
            return
        self._over = True
        self._then()
