"""Run Django on a thread for one request, and send its response.

A request begins when its body is there. Threads take turns among tenants, or addresses where no key is given
(``webhooks.kit.fair.threads``); a request that is one too many gets 503. A view that waits for the outside world
suspends its request (``webhooks.kit.suspend``): the thread is free, the future is awaited here, and the request runs
again.

The response is complete before it is sent, in memory or in a temporary file, so that a slow reader holds no thread. How
many bytes wait for the readers of one tenant or address is shared: none of them can fill memory or disk.
"""

import sys
import tempfile
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished

from config.web.bodies import HeldBody
from config.web.request_ids import ENVIRON
from webhooks.kit.clients import Client
from webhooks.kit.fair.futures import await_future
from webhooks.kit.fair.shares import ShareExceeded, Shares
from webhooks.kit.fair.threads import FairThreads
from webhooks.kit.suspend import Awaited, Suspended, resumable

HELD = 1024 * 1024  # bytes of a response in memory; a larger one goes to a temporary file
PIECE = 64 * 1024  # bytes that are read from such a file at a time
MEMORY = Shares("responses in memory", 256 * 1024**2)  # bytes; those of up to PIECE are not counted
DISK = Shares("large responses", 16 * 1024**3)  # bytes
SUSPENDED = Shares("requests that wait for another server", 2048)

Application = Callable[..., Any]  # WSGI
Send = Callable[[Any], Any]


@dataclass(slots=True)
class DjangoResponse:
    """A complete response: its content is ``body``, or in ``file`` if it is large."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    file: IO[bytes] | None = None
    release: Callable[[], None] = lambda: None
    """Gives back the share of memory or of the disk."""

    async def send(self, send: Send) -> None:
        """Send the response as fast as the client reads."""
        try:
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
            if self.file is None:
                await send({"type": "http.response.body", "body": self.body})
                return
            with self.file:
                while piece := self.file.read(PIECE):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            self.release()


def environ_of(
    scope: Any, headers: Mapping[str, str], client: Client, body: HeldBody, request_id: str
) -> dict[str, Any]:
    """Return the WSGI environment of a request (PEP 3333). No header name in it came with an underscore."""
    server, port = scope["server"] or ("localhost", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server,
        "SERVER_PORT": str(port or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client.address,
        "waypost.is_proxied": client.is_proxied,
        ENVIRON: request_id,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": client.scheme,
        "wsgi.input": body.file,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        variable = name.replace("-", "_").upper()
        environ[variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"] = value
    return environ


async def run_django(
    environ: dict[str, Any], *, threads: FairThreads, share: Hashable, application: Application
) -> DjangoResponse:
    """Return the response of Django to the request in ``environ`` (PEP 3333), whose body is a seekable file.

    Raises ShareExceeded if too many requests of this share wait, or too many bytes of its responses.
    """
    awaited = Awaited()
    while True:
        try:
            return await threads.run(share, lambda: copy_context().run(_respond, environ, awaited, application, share))
        except Suspended as suspended:
            with SUSPENDED.hold(share):
                await _wait(suspended, awaited)
        environ["wsgi.input"].seek(0)


async def _wait(suspended: Suspended, awaited: Awaited) -> None:
    """Await the future of a suspended request. Its exception is raised when the request runs again."""
    awaited.futures.append(suspended.future)
    try:
        await await_future(suspended.future)
    except Exception:  # noqa: S110  # raised by wait_for in the next run
        pass


def _respond(environ: dict[str, Any], awaited: Awaited, application: Application, share: Hashable) -> DjangoResponse:
    """Run the request and collect its response. In a thread."""
    begun: list[Any] = []
    try:
        with resumable(awaited):
            response = application(dict(environ), lambda status, headers, _error=None: begun.extend((status, headers)))
    except Suspended:
        request_finished.send(sender=WSGIHandler)  # what Django does when a response is closed
        raise
    try:
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in begun[1]]
        return _collect(int(begun[0][:3]), headers, response, share)
    finally:
        if hasattr(response, "close"):
            response.close()


def _collect(
    status: int, headers: list[tuple[bytes, bytes]], response: Iterable[bytes], share: Hashable
) -> DjangoResponse:
    """Return the response with its content. Raises ShareExceeded."""
    if not getattr(response, "streaming", False):
        return _in_memory(status, headers, b"".join(response), share)
    held, pieces = bytearray(), iter(response)
    for piece in pieces:
        held += piece
        if len(held) > HELD:
            break
    else:
        return _in_memory(status, headers, bytes(held), share)
    size, file = 0, tempfile.TemporaryFile()  # noqa: SIM115  # closed when it was sent
    try:
        for piece in chain([bytes(held)], pieces):
            if not DISK.take(share, len(piece)):
                raise ShareExceeded(DISK.what)
            size += len(piece)
            file.write(piece)
        file.seek(0)
    except BaseException:
        file.close()
        DISK.release(share, size)
        raise
    return DjangoResponse(status, headers, b"", file, partial(DISK.release, share, size))


def _in_memory(status: int, headers: list[tuple[bytes, bytes]], body: bytes, share: Hashable) -> DjangoResponse:
    if len(body) <= PIECE:
        return DjangoResponse(status, headers, body)
    if not MEMORY.take(share, len(body)):
        raise ShareExceeded(MEMORY.what)
    return DjangoResponse(status, headers, body, release=partial(MEMORY.release, share, len(body)))
