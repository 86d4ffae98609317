"""Let programs on this machine reach the embedded PostgreSQL over TCP, as they reach a server elsewhere.

The server itself listens on its Unix socket only. The demo, the tests and the benchmarks give a second database of it
to a source, which connects to a host and a port.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CHUNK = 64 * 1024  # bytes


class TcpForwarder:
    """Connections of a port of 127.0.0.1, each joined to one of a Unix socket. Its thread runs until ``close``."""

    def __init__(self, path: Path, port: int = 0) -> None:
        self._path = path
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-forwarder", daemon=True)
        self._thread.start()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = threading.Event()
        self._flows.set()
        self.port = port
        self.listen()

    def listen(self) -> None:
        """Accept connections, on the same port as before."""
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Accept no connections, and end those there are."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()

    def stall(self) -> None:
        """Hold back what arrives from now on; connections stay open."""
        self._flows.clear()

    def flow(self) -> None:
        """End a stall: pass on what was held back, and what arrives."""
        self._flows.set()

    def close(self) -> None:
        """End all connections and the thread."""
        self.flow()
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._join, "127.0.0.1", self.port, limit=CHUNK)

    async def _cut(self) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        while self._writers:
            await asyncio.sleep(0.001)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_unix_connection(self._path, limit=CHUNK)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, there_writer}
        self._writers |= both
        try:
            ways = [self._pass(reader, there_writer), self._pass(there_reader, writer)]
            await asyncio.wait(map(asyncio.ensure_future, ways), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in both:
                each.transport.abort()
            self._writers -= both

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                while not self._flows.is_set():
                    await asyncio.sleep(0.005)
                writer.write(data)
                await writer.drain()


@contextmanager
def tcp_forwarder(path: Path) -> Iterator[TcpForwarder]:
    """Forward connections during this block."""
    forwarder = TcpForwarder(path)
    try:
        yield forwarder
    finally:
        forwarder.close()
