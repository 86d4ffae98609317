"""``load.c`` for a machine without a compiler: the same arguments, the same files, a lower ceiling."""

import asyncio
import mmap
import struct
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

HEADER, RECORD = 64, struct.Struct("<qqqii")
MOMENT, NUMBER = b"@" * 19, b"#" * 19


class Run:
    """What is still to be sent, when, and what was answered."""

    def __init__(self, rate: float, count: int, frames: Path, records: Path) -> None:
        self.rate, self.count, self.started, self.answered, self.broken = rate, count, 0, 0, 0
        self._frames = cycle(list(_split(frames.read_bytes())))
        self._number = time.time_ns() // 1_000_000 * 1_000_000
        self._zero = time.time_ns()
        with records.open("w+b") as file:
            file.truncate(HEADER + count * RECORD.size)
            self._map = mmap.mmap(file.fileno(), 0)

    def next_due(self) -> int | None:
        """The moment of the next request; None: all have been started."""
        if self.started >= self.count:
            return None
        due = self._zero + int(self.started * 1e9 / self.rate) if self.rate else time.time_ns()
        self.started += 1
        return due

    def frame(self, due: int) -> bytes:
        parts = next(self._frames).replace(MOMENT, b"%019d" % due).split(NUMBER)
        numbered = [parts[0]]
        for part in parts[1:]:
            self._number += 1
            numbered += [b"%019d" % self._number, part]
        return b"".join(numbered)

    def note(self, due: int, sent: int, status: int) -> None:
        RECORD.pack_into(self._map, HEADER + self.answered * RECORD.size, due, sent, time.time_ns(), status, 0)
        self.answered += 1
        self.broken += status == 0
        struct.pack_into("<QQ", self._map, 0, self.answered, self.broken)


async def connection(run: Run, port: int) -> None:
    """One request at a time, each when it is due or as soon as there is a connection free after that."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (due := run.next_due()) is not None:
        await asyncio.sleep(max(0.0, (due - time.time_ns()) / 1e9))
        sent, status = time.time_ns(), 0
        try:
            writer.write(run.frame(due))
            status = await _answer(reader)
        except (OSError, EOFError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        run.note(due, sent, status)
    writer.close()


async def _answer(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"\r\ntransfer-encoding:" in head:
        raise RuntimeError("load: answers need a length")
    _, found, rest = head.partition(b"content-length:")
    await reader.readexactly(int(rest.split(b"\r", 1)[0]) if found else 0)
    return int(head[9:12])


def _split(content: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        (length,) = struct.unpack_from("<I", content, at)
        yield content[at + 4 : at + 4 + length]
        at += 4 + length


async def main(arguments: list[str]) -> None:
    port, connections, rate, count, frames, records = arguments
    run = Run(float(rate), int(count), Path(frames), Path(records))
    await asyncio.gather(*(connection(run, int(port)) for _ in range(int(connections))))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
