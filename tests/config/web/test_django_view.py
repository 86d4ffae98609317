"""Test Django on threads: suspended requests, large responses, errors."""

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from config.web import django_view
from config.web.django_view import DjangoResponse, run_django
from webhooks.kit.fair.shares import ShareExceeded, Shares
from webhooks.kit.fair.threads import FairThreads
from webhooks.kit.suspend import wait_for


class Pieces:
    """A streaming response, as Django marks it."""

    streaming = True
    closed = False

    def __iter__(self) -> Iterator[bytes]:
        return (bytes([number]) * 1024 * 1024 for number in range(5))

    def close(self) -> None:
        self.closed = True


def run(application: Callable[..., Any], body: bytes = b"") -> DjangoResponse:
    async def main() -> DjangoResponse:
        environ = {"wsgi.input": io.BytesIO(body)}
        return await run_django(environ, threads=FairThreads(2, "test"), share="a", application=application)

    return asyncio.run(main())


async def sent(response: DjangoResponse) -> list[Any]:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    await response.send(send)
    return messages


def test_response_has_status_headers_and_body() -> None:
    def application(_environ: Any, start: Any) -> Any:
        start("201 Created", [("Content-Type", "text/plain"), ("X-A", "é")])
        return [b"a", b"b"]

    messages = asyncio.run(sent(run(application)))
    assert messages[0]["status"] == 201
    assert messages[0]["headers"] == [(b"content-type", b"text/plain"), (b"x-a", "é".encode("latin-1"))]
    assert messages[1]["body"] == b"ab"


def test_large_streaming_response_is_sent_from_a_file_and_closed() -> None:
    pieces = Pieces()

    def application(_environ: Any, start: Any) -> Any:
        start("200 OK", [])
        return pieces

    response = run(application)
    assert response.body == b""
    assert pieces.closed
    messages = asyncio.run(sent(response))
    assert b"".join(message.get("body", b"") for message in messages) == b"".join(Pieces())
    assert response.file is not None
    assert response.file.closed


@pytest.mark.parametrize(("share", "content"), [("DISK", Pieces()), ("MEMORY", [bytes(100_000)])])
def test_bytes_that_wait_for_the_readers_of_a_tenant_are_limited(
    monkeypatch: pytest.MonkeyPatch, share: str, content: Any
) -> None:
    capacity = 3 * len(b"".join(content))
    shares = Shares("large responses", capacity)
    monkeypatch.setattr(django_view, share, shares)

    def application(_environ: Any, start: Any) -> Any:
        start("200 OK", [])
        return content

    response = run(application)
    with pytest.raises(ShareExceeded, match="large responses"):
        run(application)
    asyncio.run(sent(response))
    assert shares.free == capacity


def test_suspended_request_runs_again_from_its_start_with_the_result() -> None:
    runs: list[bytes] = []

    def application(environ: Any, start: Any) -> Any:
        runs.append(environ["wsgi.input"].read())
        found: Future[str] = Future()

        def call() -> "Future[str]":
            threading.Timer(0.01, found.set_result, ["found"]).start()
            return found

        result = wait_for(call)
        start("200 OK", [])
        return [result.encode()]

    assert run(application, b"body").body == b"found"
    assert runs == [b"body", b"body"]


def test_failed_future_is_raised_in_the_second_run_of_the_request() -> None:
    def application(_environ: Any, start: Any) -> Any:
        failing: Future[str] = Future()

        def call() -> "Future[str]":
            threading.Timer(0.01, failing.set_exception, [ValueError("refused")]).start()
            return failing

        try:
            wait_for(call)
        except ValueError as error:
            start("400 Bad Request", [])
            return [str(error).encode()]
        raise AssertionError

    assert run(application).body == b"refused"


def test_share_of_suspended_requests_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(django_view, "SUSPENDED", Shares("requests that wait for another server", 0))

    def application(_environ: Any, _start: Any) -> Any:
        return wait_for(lambda: Future[Any]())

    with pytest.raises(ShareExceeded, match="another server"):
        run(application)


def test_exception_of_the_application_is_raised() -> None:
    def application(_environ: Any, _start: Any) -> Any:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        run(application)
