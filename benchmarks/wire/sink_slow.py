"""``sink.c`` for a machine without a compiler: the same arguments, the same file of records, a lower ceiling."""

import asyncio
import mmap
import struct
import sys
import time
from pathlib import Path

HEADER, RECORD = 64, struct.Struct("<qqIi")
MARKER = b'"at":"'
LOOK_EVERY = 0.05  # seconds between two looks at whether it is healed
ANSWERS = {200: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}
ANSWERS[500] = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class Records:
    def __init__(self, path: Path, capacity: int) -> None:
        self.capacity, self.count, self.refused = capacity, 0, 0
        with path.open("w+b") as file:
            file.truncate(HEADER + capacity * RECORD.size)
            self._map = mmap.mmap(file.fileno(), 0)

    def note(self, at: int, lane: int, status: int) -> None:
        if self.count >= self.capacity:
            self.refused += 1
        else:
            RECORD.pack_into(self._map, HEADER + self.count * RECORD.size, time.time_ns(), at, lane, status)
            self.count += 1
        struct.pack_into("<QQ", self._map, 0, self.count, self.refused)

    @property
    def healed(self) -> bool:
        return self._map[16] != 0


class Connection(asyncio.Protocol):
    def __init__(self, records: Records, held: "set[Connection]") -> None:
        self._records, self._held = records, held
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._held.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            whole = end + 4 + _length(bytes(self._buffer[:end]).lower())
            if len(self._buffer) < whole:
                return
            self._respond(bytes(self._buffer[: min(whole, 16_384)]))
            del self._buffer[:whole]

    def _respond(self, request: bytes) -> None:
        _, kind, lane = request.split(b" ", 2)[1].decode().split("/")
        status = 200 if self._records.healed else {"h": 0, "f": 500}.get(kind, 200)
        found = request.find(MARKER)
        at = 0 if found < 0 else int(request[found + len(MARKER) : found + len(MARKER) + 19])
        self._records.note(at, int(lane), status)
        if status:
            self._transport.write(ANSWERS[status])
        else:
            self._held.add(self)

    def let_go(self) -> None:
        self._transport.write(ANSWERS[200])


def _length(head: bytes) -> int:
    _, found, rest = head.partition(b"content-length:")
    return int(rest.split(b"\r", 1)[0]) if found else 0


async def main(ports: int, path: str, capacity: int) -> None:
    loop, records = asyncio.get_running_loop(), Records(Path(path), capacity)
    held: set[Connection] = set()
    servers = [await loop.create_server(lambda: Connection(records, held), "127.0.0.1", 0) for _ in range(ports)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    ended = loop.run_in_executor(None, sys.stdin.read)
    while not ended.done():
        await asyncio.sleep(LOOK_EVERY)
        while records.healed and held:
            held.pop().let_go()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
