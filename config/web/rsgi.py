"""Await the body of a request in the event loop before a thread begins it, so that slow clients hold no thread.

The platform is a WSGI application: a request takes one of a few threads, and would keep it for as long as its client
takes to send the body. Here bodies are awaited in the event loop, within a deadline, where waiting costs some kilobytes
and no thread. A body of more than ``HELD`` bytes is read by a thread of a separate pool, piece by piece, each piece
within a deadline; so memory stays flat at any size, and slow clients with large bodies can only hold up each other.

Short requests that wait for a group commit, which most do, share a thread (``config.web.crew``). Responses are bytes,
or a file that the server reads as fast as the client receives it.
"""

import asyncio
import gc
import io
import os
import queue
import resource
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import Any

import structlog
from django.conf import settings

from config.web.crew import Crew, new_flag
from config.web.request_body import Body, Late, next_of
from config.wsgi import application as wsgi
from webhooks.kit import offload
from webhooks.wire.cloudevents.http_modes import BATCH

PIECE = 64 * 1024  # bytes
HELD = 256 * 1024  # bytes of a body that are awaited before a thread begins
WAIT = 20.0  # seconds for a body that is held to come
LARGE = 8  # threads for larger ones
HANDS = 4  # threads for requests that are shorter than
SHORT = 16 * 1024  # bytes and do nothing but keep what they bring, together with others
MOST = 8192  # requests whose bodies are awaited; more are told to come back
ANSWER_HELD = 1024 * 1024  # bytes of an answer that are held; a larger one goes by way of a file
FILE_FOR = 60.0  # seconds after which such a file has certainly been opened
FILES_OPEN = 65_536  # connections are files to the system

log = structlog.get_logger("waypost.web")
Line = queue.SimpleQueue[Callable[[], None]]
Answer = tuple[int, list[tuple[str, str]], Iterable[bytes]]


class Front:
    """``__rsgi__`` is called by granian for each request, in the loop of its process."""

    def __init__(self, application: Callable[..., Iterable[bytes]], threads: int) -> None:
        self._application = application
        self._threads = threads
        self._ready: Line = queue.SimpleQueue()
        self._large: Line = queue.SimpleQueue()
        self._awaited = 0

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        offload.new_flag = new_flag
        _may_open_many_files()
        _collect_less()
        self._crew = Crew(HANDS, loop)
        for line, threads in ((self._ready, self._threads), (self._large, LARGE)):
            for _ in range(threads):
                threading.Thread(target=_work, args=(line,), daemon=True).start()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        size = _announced(scope.headers)
        if size == 0:
            await self._pass(scope, protocol, b"")
        elif self._awaited >= MOST:
            protocol.response_empty(503, [("retry-after", "5")])
        elif size > HELD:
            await self._pass_on(scope, protocol, Body(self._loop, b""), aiter(protocol))
        else:
            await self._hold(scope, protocol, size)

    async def _hold(self, scope: Any, protocol: Any, size: int) -> None:
        """Await the body up to ``HELD`` bytes. ``size`` is negative if unknown."""
        self._awaited += 1
        late = Late(self._loop, WAIT, lambda: protocol.response_empty(408, [("connection", "close")]))
        held, pieces = bytearray(), aiter(protocol)
        try:
            while len(held) != size and len(held) <= HELD and (piece := await next_of(pieces)):
                held += piece
        finally:
            self._awaited -= 1
            late.cancel()
        if late:
            return
        if len(held) > HELD:
            await self._pass_on(scope, protocol, Body(self._loop, bytes(held)), pieces)
        else:
            await self._pass(scope, protocol, bytes(held))

    async def _pass(self, scope: Any, protocol: Any, held: bytes) -> None:
        """Have a thread respond, and wait for it: returning ends the request."""
        answered = self._loop.create_future()

        def work() -> None:
            self._answer(scope, protocol, io.BytesIO(held))
            self._loop.call_soon_threadsafe(answered.set_result, None)

        put = self._crew.put if _is_for_the_crew(scope, len(held)) else self._ready.put
        put(work)
        await answered

    async def _pass_on(self, scope: Any, protocol: Any, body: Body, pieces: AsyncIterator[bytes]) -> None:
        """Have a thread respond, and fetch the rest of the body for it.

        The pieces must be awaited in this task: Granian never frees what other tasks await.
        """

        def work() -> None:
            self._answer(scope, protocol, io.BufferedReader(body, PIECE))
            self._loop.call_soon_threadsafe(body.asked.put_nowait, 0)

        self._large.put(work)
        while wanted := await body.asked.get():
            await body.fetch(wanted, pieces)

    # In a thread.

    def _answer(self, scope: Any, protocol: Any, body: io.BufferedIOBase) -> None:
        """Call the application and send its response."""
        try:
            status, headers, answer = self._ask(environ(scope, body))
            try:
                self._give(protocol, status, headers, answer)
            finally:
                if hasattr(answer, "close"):
                    answer.close()
        except Exception:
            log.exception("request.broke")
            protocol.response_empty(500, [])

    def _ask(self, environment: dict[str, Any]) -> Answer:
        begun: list[Any] = []
        answer = self._application(environment, lambda status, headers, _error=None: begun.extend((status, headers)))
        return int(begun[0][:3]), begun[1], answer

    def _give(self, protocol: Any, status: int, headers: list[tuple[str, str]], answer: Iterable[bytes]) -> None:
        if not getattr(answer, "streaming", False):
            protocol.response_bytes(status, headers, b"".join(answer))
            return
        held, pieces = bytearray(), iter(answer)
        for piece in pieces:
            held += piece
            if len(held) > ANSWER_HELD:
                break
        else:
            protocol.response_bytes(status, headers, bytes(held))
            return
        protocol.response_file(status, headers, self._file_of(bytes(held), pieces))

    def _file_of(self, head: bytes, rest: Iterable[bytes]) -> str:
        """Write a large response to a file, which Granian sends as fast as the client reads; pieces it would buffer."""
        with tempfile.NamedTemporaryFile(prefix="waypost-answer-", delete=False) as file:
            file.write(head)
            file.writelines(rest)
        self._loop.call_soon_threadsafe(self._loop.call_later, FILE_FOR, _remove, file.name)
        return file.name


def _announced(headers: Any) -> int:
    """Return the announced size of the body in bytes; negative if it is not announced."""
    if "transfer-encoding" in headers:
        return -1
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else -1


def _is_for_the_crew(scope: Any, size: int) -> bool:
    """Return whether a request waits for a group commit and little else, so that it may share a thread.

    A batch and a request with an Idempotency-Key have a transaction of their own and wait for that.
    """
    keeps = scope.path == "/api/v1/events/" or scope.path.startswith("/in/")
    is_alone = "idempotency-key" in scope.headers or scope.headers.get("content-type", "").startswith(BATCH)
    return keeps and scope.method == "POST" and size <= SHORT and not is_alone


def environ(scope: Any, body: io.BufferedIOBase) -> dict[str, Any]:
    """Return the WSGI environment of a request (PEP 3333).

    Repeated headers are joined, as RFC 9110, section 5.3 allows. A header whose value is not text is present and empty,
    so that its reader rejects it instead of finding it missing.
    """
    server, _, port = scope.server.rpartition(":")
    found: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        key = _variable(name)
        found[key] = f"{found[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}" if key in found else value
    for name in scope.headers.keys():  # noqa: SIM118  # no mapping; its items leave out what is no text
        found.setdefault(_variable(name), "")
    if "HTTP_HOST" not in found and scope.authority:
        found["HTTP_HOST"] = scope.authority
    return found


def _variable(name: str) -> str:
    key = name.replace("-", "_").upper()
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _work(line: Line) -> None:
    while True:
        line.get()()


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def _may_open_many_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_OPEN if most == resource.RLIM_INFINITY else min(FILES_OPEN, most)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _collect_less() -> None:
    """Exclude what was loaded at start from garbage collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


application = Front(wsgi, settings.WAYPOST_WEB_THREADS)
