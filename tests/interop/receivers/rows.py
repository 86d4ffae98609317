"""List the receivers: each server with each way to respond and to close its connections."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from h2.errors import ErrorCodes

from tests.interop.matrix import Row
from tests.interop.receivers import h2_server as h2
from tests.interop.receivers import http1_server as http1
from tests.interop.receivers.programs import go, nginx, node
from tests.interop.receivers.sending import send, summary
from tests.pki import Authority

Start = Callable[[], AbstractContextManager[tuple[str, Authority]]]
ALL = "all delivered"
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
BIG = 2_000_000  # bytes of a body that no buffer takes at once


def _run(start: Start, options: dict[str, Any], messages: int) -> str:
    messages = min(messages, options.pop("most", messages))
    with start() as (url, authority):
        return summary(send(url, authority, messages, **options))


def _row(
    program: str, case: str, start: Start, expected: str = ALL, *, needs: str | None = None, **options: Any
) -> Row:
    return Row("receivers", program, case, lambda messages: _run(start, dict(options), messages), expected, needs)


@contextmanager
def _http1(serve: http1.Serve, version: ssl.TLSVersion | None = None) -> Iterator[tuple[str, Authority]]:
    with http1.Http1Server(serve, version) as server:
        yield server.url, server.authority


@contextmanager
def _h2(
    respond: h2.Respond, on_head: h2.Respond | None = None, version: ssl.TLSVersion = TLS_1_3
) -> Iterator[tuple[str, Authority]]:
    with h2.H2Server(respond, on_head, version) as server:
        yield server.url, server.authority


def _of_http1() -> Iterator[Row]:
    """Yield rows of a server of ours that speaks HTTP/1.1 byte by byte."""
    plain: list[tuple[str, http1.Serve, str, dict[str, Any]]] = [
        ("keeps its connections", http1.ok, ALL, {}),
        ("announces the end after 10 requests", http1.announces_its_end_after(10), ALL, {}),
        ("closes after 10 responses", http1.closes_after(10), ALL, {}),
        ("closes when the 11th request arrives", http1.closes_on_request(10), ALL, {}),
        ("resets when the 11th request arrives", http1.closes_on_request(10, resets=True), ALL, {}),
        (
            "closes when the 4th of 2 MB arrives",
            http1.closes_on_request(3),
            ALL,
            {"size": BIG, "most": 60, "in_flight": 4},
        ),
        ("closes every new connection", http1.closes_new_connections, "all failed: reset", {}),
        ("never ends a body", http1.stalls, ALL, {"most": 16}),
        ("responds before it reads a body of 2 MB", http1.responds_early, ALL, {"size": BIG, "most": 16}),
        ("responds and closes with a body unread", http1.responds_early_and_closes, ALL, {"size": BIG, "most": 16}),
        ("responds 100 and 103 unasked", http1.continues, ALL, {}),
        ("responds in chunks with a trailer", http1.chunks, ALL, {}),
        ("responds with 40 KiB of headers", http1.big_headers, ALL, {}),
        ("responds as HTTP/1.0", http1.speaks_http_1_0, ALL, {}),
    ]
    for case, serve, expected, options in plain:
        yield _row("HTTP/1.1", case, partial(_http1, serve), expected, **options)
    for version in (TLS_1_2, TLS_1_3):
        name = f"HTTP/1.1, {version.name}"
        yield _row(name, "keeps its connections", partial(_http1, http1.ok, version))
        yield _row(name, "closes after 10 responses", partial(_http1, http1.closes_after(10), version))
        closing = partial(_http1, http1.closes_on_request(10), version)
        yield _row(name, "closes when the 11th request arrives", closing, ALL)


def _of_h2() -> Iterator[Row]:
    """Yield rows of a server that is made with the library h2."""
    required = h2.resets_with(ErrorCodes.HTTP_1_1_REQUIRED)
    cases: list[tuple[str, Start, str, dict[str, Any]]] = [
        ("keeps its connections", partial(_h2, h2.ok), ALL, {}),
        ("keeps its connections, TLS 1.2", partial(_h2, h2.ok, version=TLS_1_2), ALL, {}),
        ("GOAWAY with the 11th stream above the last", partial(_h2, h2.goes_away_above(10)), ALL, {}),
        ("refuses each 10th stream", partial(_h2, h2.refuses_each(10)), ALL, {}),
        ("requires HTTP/1.1", partial(_h2, required), ALL, {}),
        ("closes after 10 responses without GOAWAY", partial(_h2, h2.hangs_up_after(10)), ALL, {"in_flight": 1}),
        (
            "refuses every stream",
            partial(_h2, h2.resets_with(ErrorCodes.REFUSED_STREAM)),
            "all failed: reset",
            {"most": 16},
        ),
        ("resets every stream", partial(_h2, h2.resets_with(ErrorCodes.INTERNAL_ERROR)), "all failed: reset", {}),
        ("never ends a body", partial(_h2, h2.stalls), ALL, {"most": 16}),
        ("responds before it reads a body of 2 MB", partial(_h2, h2.nothing, h2.ok), ALL, {"size": BIG, "most": 16}),
        ("responds 100, 103 and in parts", partial(_h2, h2.answers_in_parts), ALL, {}),
        ("responds with 24 KiB of headers", partial(_h2, h2.big_headers), ALL, {}),
    ]
    for case, start, expected, options in cases:
        yield _row("HTTP/2", case, start, expected, **options)


def _of_nginx() -> Iterator[Row]:
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("keepalive_requests 10", "keepalive_requests 10;", {}),
        ("keepalive_timeout 2ms", "keepalive_timeout 2ms;", {}),
        ("keepalive_timeout 0", "keepalive_timeout 0;", {}),
        ("limits bodies", "client_max_body_size 1k;", {"size": BIG, "most": 16}),
    ]
    for version in ("1.1", "2"):
        for case, settings, options in cases:
            expected = "all failed: status" if "limits" in case else ALL
            start = partial(nginx, settings, http_2=version == "2")
            yield _row(f"nginx, HTTP/{version}", case, start, expected, needs="nginx", **options)


def _of_node() -> Iterator[Row]:
    for case, text in {
        "ok": "keeps its connections",
        "limit": "maxRequestsPerSocket 10",
        "idle": "keepAliveTimeout 2 ms",
        "close": "announces the end with each 10th response",
        "destroy": "closes after each 10th response",
        "stalled": "never ends a body",
        "early": "responds before it reads a body of 2 MB",
        "chunked": "responds in chunks",
    }.items():
        yield _row("Node, HTTP/1.1", text, partial(node, "node_http1.js", case), needs="node", **_size(case))
    for case, text in {
        "ok": "keeps its connections",
        "streams": "5 streams at once",
        "close": "closes its session after each 10th response",
        "refuse": "refuses each 10th stream",
        "continue": "responds 103 first",
        "stalled": "never ends a body",
        "early": "responds before it reads a body of 2 MB",
    }.items():
        yield _row("Node, HTTP/2", text, partial(node, "node_http2.js", case), needs="node", **_size(case))


def _of_go() -> Iterator[Row]:
    for version in ("1.1", "2"):
        for case, text in {
            "ok": "keeps its connections",
            "close": "announces the end with each 10th response",
            "idle": "IdleTimeout 2 ms",
            "chunked": "responds in chunks",
            "stalled": "never ends a body",
            "early": "responds before it reads a body of 2 MB",
        }.items():
            yield _row(f"Go, HTTP/{version}", text, partial(go, version, case), needs="go", **_size(case))


def _size(case: str) -> dict[str, Any]:
    return {"stalled": {"most": 16}, "early": {"size": BIG, "most": 16}}.get(case, {})


RECEIVERS = [*_of_http1(), *_of_h2(), *_of_nginx(), *_of_node(), *_of_go()]
