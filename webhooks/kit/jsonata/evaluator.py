"""Start one evaluator process, and exchange requests and replies with it.

The process gets no environment and no file but the socket, so it knows no secret of this one. It ends with its socket.
"""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from webhooks.kit.jsonata.frames import MAX_RESULT, READY, REPLY, REQUEST, Operation, Outcome, Reply

ROOT = Path(__file__).resolve().parents[3]  # of the package ``webhooks``
PROGRAM = "webhooks.kit.jsonata.process"
KILLED_BY_TIMER = -signal.SIGPROF


class Request(NamedTuple):
    """An expression, and what to do with it. ``seconds``: of processor time. ``owner``: whose expression it is."""

    operation: Operation
    expression: str
    owner: str = ""
    document: bytes = b""
    seconds: float = 0.1


class NoReply(Exception):
    """The process gave no reply in time, or has ended. ``code``: its exit code; None: it was running."""

    def __init__(self, code: int | None) -> None:
        super().__init__("no reply in time" if code is None else f"ended with code {code}")
        self.code = code


class Evaluator:
    """One process. Not safe for threads; call ``close`` after NoReply, and if it is not needed any more."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 (our own program)
                [sys.executable, "-X", "utf8", "-m", PROGRAM],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"},
                cwd="/",
                start_new_session=True,
            )
        self._is_ready = False
        self.has_served = False

    def is_ready(self, wait: float = 0.0) -> bool:
        """Return whether the process can take a request, after at most ``wait`` seconds."""
        if not self._is_ready:
            try:
                self._is_ready = self._receive(len(READY), time.monotonic() + wait) == READY
            except NoReply as error:
                if error.code is not None:
                    raise
        return self._is_ready

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended, of itself or because something has ended it."""
        return self._process.poll() is not None

    def ask(self, request: Request, wait: float) -> Reply:
        """Send a request and return the reply. Raises NoReply if there is none within ``wait`` seconds."""
        until = time.monotonic() + wait
        owner, expression = request.owner.encode(), request.expression.encode()
        lengths = len(owner), len(expression), len(request.document)
        header = REQUEST.pack(request.operation.value, request.seconds, *lengths)
        self._send(header + owner + expression + request.document, until)
        outcome, seconds, length = REPLY.unpack(self._receive(REPLY.size, until))
        if length > MAX_RESULT:
            raise NoReply(None)
        reply = Reply(Outcome(outcome), self._receive(length, until), seconds)
        self.has_served = True
        return reply

    def close(self) -> None:
        """End the process, and wait for that."""
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def _send(self, data: bytes, until: float) -> None:
        try:
            self._socket.settimeout(max(until - time.monotonic(), 0.001))
            self._socket.sendall(data)
        except TimeoutError:
            raise NoReply(None) from None
        except OSError:
            raise NoReply(self._process.wait()) from None

    def _receive(self, size: int, until: float) -> bytes:
        parts: list[bytes] = []
        while size:
            try:
                self._socket.settimeout(max(until - time.monotonic(), 0.001))
                part = self._socket.recv(min(size, 1024 * 1024))
            except TimeoutError:
                raise NoReply(None) from None
            except OSError:
                part = b""
            if not part:
                raise NoReply(self._process.wait())
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
