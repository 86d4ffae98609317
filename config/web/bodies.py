"""Await request bodies in the event loop, within limits of size, rate and place.

A slow client costs its connection and what it has sent so far, and no thread. A body must arrive at a minimum rate
(``webhooks.kit.native_request``), and may pause for ``MAX_PAUSE`` seconds.

A body for a thread is held in memory up to ``HELD`` bytes, and in a temporary file beyond. How many bytes each client
holds in this way is shared (``webhooks.kit.fair.shares``): one client cannot fill memory or disk.
"""

import asyncio
import tempfile
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Hashable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from webhooks.kit.fair.shares import ShareExceeded, Shares
from webhooks.kit.native_request import BodyCutShort, BodyTooSlow, seconds_allowed

MAX_PAUSE = 10.0  # seconds between two pieces
HELD = 256 * 1024  # bytes of a body in memory
MEMORY = Shares("request bodies in memory", 256 * 1024**2)  # bytes
DISK = Shares("large request bodies", 8 * 1024**3)  # bytes

Receive = Callable[[], Awaitable[Any]]


class AsgiRequestBody:
    """The body of one ASGI request (``webhooks.kit.native_request.RequestBody``)."""

    ends_reliably = True

    def __init__(self, receive: Receive, length: int | None, share: Hashable) -> None:
        self.length = length
        self._receive = receive
        self._share = share

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the pieces of the body. Raises BodyCutShort, BodyTooSlow."""
        loop = asyncio.get_running_loop()
        started, size, more = loop.time(), 0, True
        while more:
            receiving = self._receive().__await__()
            try:
                waits_for = next(receiving)
            except StopIteration as arrived:  # most bodies arrive with their head: no timer is needed
                message = arrived.value
            else:
                try:
                    async with asyncio.timeout_at(min(started + seconds_allowed(size), loop.time() + MAX_PAUSE)):
                        message = await _rest_of(receiving, waits_for)
                except TimeoutError:
                    raise BodyTooSlow from None
            if message["type"] != "http.request":
                raise BodyCutShort
            more = message.get("more_body", False)
            if piece := message.get("body", b""):
                size += len(piece)
                yield piece

    async def read(self, limit: int) -> bytes:
        """Return the body, or of a longer one the first ``limit`` + 1 bytes; see RequestBody."""
        if self.length == 0:
            return b""
        pieces, size, taken = [], 0, 0
        try:
            async for piece in self.chunks():
                pieces.append(piece)
                size += len(piece)
                if size == self.length or size > limit:
                    break
                if not MEMORY.take(self._share, len(piece)):
                    raise ShareExceeded(MEMORY.what)
                taken = size
        finally:
            MEMORY.release(self._share, taken)
        return b"".join(pieces)[: limit + 1]


@types.coroutine
def _rest_of(steps: "Generator[Any, Any, Any]", waits_for: Any) -> "Generator[Any, Any, Any]":
    """Await the rest of what was begun without a task, and waits for this future."""
    try:
        while True:
            try:
                value = yield waits_for
            except BaseException as error:
                waits_for = steps.throw(error)
            else:
                waits_for = steps.send(value)
    except StopIteration as ended:
        return ended.value


@contextmanager
def holder(share: Hashable) -> "Iterator[HeldBody]":
    """Open a place for one body; what it holds is released when the context ends."""
    held = HeldBody(share)
    try:
        yield held
    finally:
        held.close()


class HeldBody:
    """A body that is held for a thread: in memory, or in a temporary file."""

    def __init__(self, share: Hashable) -> None:
        self._share = share
        self._memory = self._disk = 0
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(HELD)  # noqa: SIM115  # closed by close

    async def read(self, body: AsgiRequestBody, limit: int) -> None:
        """Read the body up to one byte past ``limit``.

        Raises BodyCutShort, BodyTooSlow, and ShareExceeded if the client holds too much.
        """
        size = 0
        async for piece in body.chunks():
            size += len(piece)
            self._take(size)
            self.file.write(piece[: limit + 1 - size + len(piece)])
            if size > limit:
                break
        self.file.seek(0)

    def _take(self, size: int) -> None:
        """Count the bytes against the client's share of memory, or of the disk for a body in a file."""
        if size <= HELD:
            if not MEMORY.take(self._share, size - self._memory):
                raise ShareExceeded(MEMORY.what)
            self._memory = size
        else:
            if not DISK.take(self._share, size - self._disk):
                raise ShareExceeded(DISK.what)
            self._disk = size

    def close(self) -> None:
        """Release what was held."""
        self.file.close()
        MEMORY.release(self._share, self._memory)
        DISK.release(self._share, self._disk)
        self._memory = self._disk = 0
