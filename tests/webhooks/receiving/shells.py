"""Send requests to each shell of the receiver: the Django view under WSGI, and the coroutine of our web server."""

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import orjson
from django.test import Client

from tests.factories_receiver import signed
from tests.threads import in_threads
from webhooks.kit.clients import client_of
from webhooks.kit.native_request import BodyCutShort, NativeRequest, NativeResponse
from webhooks.models import Source
from webhooks.receiving.native_inbound import receive_native

CHUNK_BYTES = 64 * 1024


class ThreadOfTheTest(Executor):
    """Run what is submitted in the thread of the test, in its database transaction, while that waits."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue the work."""
        result: Future[Any] = Future()

        def call() -> None:
            try:
                result.set_result(work(*args, **kwargs))
            except BaseException as error:
                result.set_exception(error)

        self._calls.put(call)
        return result

    def run(self, coroutine: Any) -> Any:
        """Return the result of a coroutine that runs in an event loop of another thread."""
        ended: Future[Any] = Future()
        ended.add_done_callback(lambda _: self._calls.put(None))

        def run() -> None:
            try:
                ended.set_result(asyncio.run(coroutine))
            except BaseException as error:
                ended.set_exception(error)

        thread = threading.Thread(target=run)
        thread.start()
        while (call := self._calls.get()) is not None:
            call()
        while not self._calls.empty():  # work without a waiting caller
            if call := self._calls.get():
                call()
        thread.join()
        return ended.result()


class Body:
    """A request body that arrives from a stream."""

    ends_reliably = True

    def __init__(self, stream: Any, length: int | None) -> None:
        self.length, self._stream = length, stream

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body; one shorter than announced is cut short, as the server says."""
        size = 0
        while self.length is None or size < self.length:
            chunk = self._stream.read(CHUNK_BYTES if self.length is None else min(CHUNK_BYTES, self.length - size))
            if not chunk:
                break
            size += len(chunk)
            yield chunk
        if self.length is not None and size < self.length:
            raise BodyCutShort

    async def read(self, limit: int) -> bytes:
        """Read the body at once."""
        return bytes(self._stream.read(limit + 1))


class Shell:
    """One shell, and how its coroutines run (``run``)."""

    def __init__(self, name: str, run: Callable[[Any], Any]) -> None:
        self.is_native = name == "native"
        self.run = run

    def post(
        self,
        path: str,
        body: bytes,
        headers: dict[str, str],
        *,
        content_type: str = "application/json",
        stream: Any = None,
        length: int | None = -1,
        remote_address: str = "127.0.0.1",
    ) -> Any:
        """Send a message. ``stream`` replaces the body; ``length``: -1 as it is, None for a chunked body."""
        length = len(body) if length == -1 else length
        stream = io.BytesIO(body) if stream is None else stream
        send = self._send_native if self.is_native else self._send_wsgi
        return send(path, headers, content_type, stream, length, remote_address)

    def post_at_once(self, count: int, send: Callable[[], Any]) -> list[Any]:
        """Send the same message several times at once: from threads, or in one event loop."""
        if not self.is_native:
            return in_threads(*[send] * count)
        run, self.run = self.run, lambda coroutine: coroutine

        async def all_of_them() -> list[Any]:
            return await asyncio.gather(*[send() for _ in range(count)])

        try:
            return run(all_of_them())  # type: ignore[no-any-return]
        finally:
            self.run = run

    def _send_native(
        self, path: str, headers: dict[str, str], content_type: str, stream: Any, length: int | None, address: str
    ) -> Any:
        sent = {"content-type": content_type} if content_type else {}
        sent |= {name.lower(): value for name, value in headers.items()}
        sent |= {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}
        path, _, query = path.partition("?")
        body = Body(stream, length)
        client = client_of(address, "http", sent)
        request = NativeRequest(
            "POST", client.scheme, "testserver", path, query, sent, client.address, client.is_proxied, address, body
        )
        return self.run(_respond(request))

    def _send_wsgi(
        self, path: str, headers: dict[str, str], content_type: str, stream: Any, length: int | None, address: str
    ) -> Any:
        environ = {"wsgi.input": stream, "wsgi.input_terminated": True, "REMOTE_ADDR": address}
        environ["CONTENT_LENGTH"] = "" if length is None else str(length)
        sent = headers | {"transfer-encoding": "chunked"} if length is None else headers
        return Client().generic("POST", path, b"x", content_type=content_type, headers=sent, **environ)


async def _respond(request: NativeRequest) -> "Response":
    return Response(await receive_native(request))


class Response(SimpleNamespace):
    """A native response with the names of Django's."""

    def __init__(self, response: NativeResponse) -> None:
        super().__init__(status_code=response.status, content=response.body, headers=dict(response.headers))

    def __getitem__(self, name: str) -> str:
        return str(self.headers[name])

    def json(self) -> Any:
        """Return the parsed body."""
        return orjson.loads(self.content)


current = Shell("django", asyncio.run)  # of the test that runs: see ``conftest.shell``


def post(source: Source | str, body: bytes, headers: dict[str, str] | None = None, **how: Any) -> Any:
    """Send a message to a source through the shell of this test, signed unless headers are given."""
    name = source if isinstance(source, str) else source.public_id
    return current.post(f"/in/{name}/", body, signed(body) if headers is None else headers, **how)
