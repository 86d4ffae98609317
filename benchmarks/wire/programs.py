"""Build and run the load generator and the sink."""

import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

Start = Callable[..., "subprocess.Popen[Any]"]
"""Starts a process that ends with the run; takes the options of Popen."""

HERE = Path(__file__).parent
RECORD = struct.Struct("<qqII")  # of the sink
HOSTS = 1_000  # more endpoints than that share the sink's addresses, like endpoints on one host
SEND_WITHIN = 1_200.0  # seconds


class NoCompilerError(Exception):
    """The two programs cannot be built on this machine."""


class Arrival(NamedTuple):
    """A request at the sink. Nanoseconds since 1970; `due`: when the event was due to be published."""

    arrived: int
    due: int
    lane: int

    @property
    def milliseconds(self) -> float:
        """Return the time from publishing to arrival."""
        return (self.arrived - self.due) / 1e6


class Response(NamedTuple):
    """A response to the load generator. Nanoseconds since 1970; status 0: the connection broke."""

    due: int
    sent: int
    done: int
    status: int

    @property
    def milliseconds(self) -> float:
        """Return the time since the request was due: one that could not be sent in time counts from then."""
        return (self.done - self.due) / 1e6


def build(directory: Path) -> None:
    """Build both programs into the directory. Raises NoCompilerError."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise NoCompilerError("The benchmark needs a C compiler (cc, gcc or clang) and the headers of Linux.")
    for name in ("sink", "load"):
        command = [compiler, "-O2", "-Wall", "-Wextra", "-o", str(directory / name), str(HERE / f"{name}.c")]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode:
            raise NoCompilerError(
                f"{compiler} cannot build {name}.c, which needs the headers of Linux:\n{built.stderr}"
            )


class Sink:
    """The receiving end of every delivery."""

    def __init__(self, directory: Path, start: Start, *, name: str = "arrivals", down: bool = False) -> None:
        """Start the sink; `down`: it refuses connections until `come_up`."""
        self._records = directory / name
        command = [str(directory / "sink"), str(self._records), *(["down"] if down else [])]
        self._process = start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    def come_up(self) -> None:
        """Accept connections from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End the sink."""
        with self._process:
            self._process.kill()

    def url(self, lane: int, kind: str = "o") -> str:
        """Return an endpoint's URL; kind `o` responds 200, `f` 500, `s` 200 after five seconds, `h` hangs."""
        host = lane % HOSTS
        return f"http://127.0.{host // 250}.{host % 250 + 1}:{self._port}/{kind}/{lane}"

    @property
    def count(self) -> int:
        """Return the number of arrivals so far."""
        return self._records.stat().st_size // RECORD.size

    def arrivals(self, since: int) -> list[Arrival]:
        """Return the arrivals after the first `since`."""
        with self._records.open("rb") as file:
            file.seek(since * RECORD.size)
            return [Arrival(*values[:3]) for values in RECORD.iter_unpack(file.read())]


class BatchSink(Sink):
    """The receiving end of requests with many messages: arrays of events, and SendMessageBatch of SQS."""

    def __init__(self, directory: Path, start: Start, *, name: str) -> None:
        """Start the sink."""
        self._records = directory / name
        command = [sys.executable, "-m", "benchmarks.wire.batch_sink", str(self._records)]
        self._process = start(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    def url(self, lane: int, kind: str = "b") -> str:
        """Return the URL of an endpoint that gets arrays of events."""
        return f"http://127.0.0.1:{self._port}/{kind}/{lane}"

    def queue_url(self, lane: int) -> str:
        """Return the URL of a queue."""
        return f"http://127.0.0.1:{self._port}/000000000000/{lane}"


class LoadGenerator:
    """Sends requests to a port of this machine."""

    def __init__(self, directory: Path, start: Start) -> None:
        """Use the program in this directory."""
        self._directory = directory
        self._start = start

    def send(self, port: int, requests: list[bytes], *, count: int, rate: float, connections: int) -> list[Response]:
        """Send `count` requests, these in turn, `rate` per second (0: as fast as they are responded to).

        Raises RuntimeError if the program fails, TimeoutExpired if it takes too long.
        """
        path = self._directory / "requests"
        path.write_bytes(b"".join(struct.pack("<I", len(each)) + each for each in requests))
        command = [str(self._directory / "load"), str(port), str(connections), str(rate), str(count), str(path)]
        load = self._start(command, stdout=subprocess.PIPE, text=True)
        try:
            output, _ = load.communicate(timeout=SEND_WITHIN)
        finally:
            load.kill()
        if load.returncode:
            raise RuntimeError("the load generator failed")
        return [Response(*map(int, line.split())) for line in output.splitlines()]
