"""The sink and the load generator: built with the system's compiler if there is one, else the same in Python.

They talk to us through files that both sides map into memory (a header, then records of fixed size), so that
reading a figure costs the run nothing. The records are described in ``wire/sink.c`` and ``wire/load.c``.
"""

import mmap
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Answered", "Arrival", "Instruments", "Load", "Sink", "Start"]

Start = Callable[..., "subprocess.Popen[Any]"]
"""``Popen``, or what starts processes in its place."""

HERE = Path(__file__).parent / "wire"
HEADER = 64  # bytes
FLAGS = ["-O2", "-Wall", "-Wextra"]


class Instruments:
    """Knows how to start the two programs; ``kind`` says which of them they are."""

    def __init__(self, directory: Path, start: Start) -> None:
        self._directory = directory
        self._start = start
        compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
        self._built = bool(compiler) and all(self._build(str(compiler), name) for name in ("sink", "load"))
        self.kind = "C" if self._built else "Python (no usable compiler: rates are lower than they could be)"

    def _build(self, compiler: str, name: str) -> bool:
        command = [compiler, *FLAGS, "-o", str(self._directory / name), str(HERE / f"{name}.c")]
        return subprocess.run(command, capture_output=True).returncode == 0

    def command(self, name: str) -> list[str]:
        return [str(self._directory / name)] if self._built else [sys.executable, str(HERE / f"{name}_slow.py")]

    def start_sink(self, ports: int, capacity: int) -> "Sink":
        return Sink(self._start, self.command("sink"), ports, self._directory / "arrivals", capacity)

    def start_load(
        self, port: int, frames: list[bytes], *, count: int, rate: float = 0.0, connections: int = 16
    ) -> "Load":
        """Send ``count`` requests out of ``frames``, ``rate`` per second (0: as fast as they are answered)."""
        return Load(self._start, self.command("load"), self._directory, port, frames, count, rate, connections)


class Arrival(NamedTuple):
    """Nanoseconds since 1970; ``at`` is the moment the event carried (0: none); ``status`` 0: held."""

    arrived: int
    at: int
    lane: int
    status: int

    @property
    def milliseconds(self) -> float:
        return (self.arrived - self.at) / 1e6


class Sink:
    """Receives what is delivered, at one port for each of so many endpoints."""

    def __init__(self, start: Start, command: list[str], ports: int, path: Path, capacity: int) -> None:
        arguments = [*command, str(ports), str(path), str(capacity)]
        self.process = start(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.ports = [int(word) for word in self.process.stdout.readline().split()]
        self._map = _mapped(path)

    def url(self, lane: int, kind: str = "o") -> str:
        """Where deliveries of this lane go: ``o`` is answered 200, ``f`` 500, ``h`` not at all."""
        return f"http://127.0.0.1:{self.ports[lane % len(self.ports)]}/{kind}/{lane}"

    @property
    def count(self) -> int:
        return int(struct.unpack_from("<Q", self._map, 0)[0])

    @property
    def refused(self) -> int:
        """Arrivals there was no room for."""
        return int(struct.unpack_from("<Q", self._map, 8)[0])

    def heal(self, healed: bool) -> None:
        """Answer everything 200, also what is held; or as the paths say again."""
        struct.pack_into("<I", self._map, 16, healed)

    def arrivals(self, since: int) -> list[Arrival]:
        """All since there were so many."""
        return [Arrival(*values) for values in _records(self._map, "<qqIi", since, self.count)]

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


class Answered(NamedTuple):
    """Nanoseconds since 1970; ``status`` 0: the connection broke."""

    due: int
    sent: int
    done: int
    status: int

    @property
    def milliseconds(self) -> float:
        return (self.done - self.due) / 1e6


class Load:
    """Requests under way. A request that was due and could not be sent has its time counted all the same."""

    def __init__(
        self,
        start: Start,
        command: list[str],
        directory: Path,
        port: int,
        frames: list[bytes],
        count: int,
        rate: float,
        connections: int,
    ) -> None:
        frames_path, records_path = directory / "frames", directory / "answers"
        with frames_path.open("wb") as file:
            for frame in frames:
                file.write(struct.pack("<I", len(frame)) + frame)
        records_path.unlink(missing_ok=True)
        sizes = [str(port), str(connections), str(rate), str(count)]
        self.process = start([*command, *sizes, str(frames_path), str(records_path)])
        self._path = records_path

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def stop(self) -> None:
        """Also before it is over."""
        self.process.kill()
        self.process.wait()

    @property
    def count(self) -> int:
        """How many were answered so far."""
        try:
            with self._path.open("rb") as file:
                return int.from_bytes(file.read(8), "little")
        except FileNotFoundError:
            return 0

    def answers(self) -> list[Answered]:
        """When it is over. Raises RuntimeError if it broke."""
        if self.process.wait():
            raise RuntimeError("the load generator broke")
        found = _mapped(self._path)
        return [Answered(*values[:4]) for values in _records(found, "<qqqii", 0, self.count)]


def _mapped(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def _records(found: mmap.mmap, layout: str, first: int, end: int) -> Iterator[tuple[int, ...]]:
    size = struct.calcsize(layout)
    return struct.iter_unpack(layout, found[HEADER + first * size : HEADER + end * size])
