"""Serve an application that returns what it received, with short deadlines on demand: for ``test_rsgi``."""

import os
from collections.abc import Callable, Iterator
from typing import Any

from config.web import request_body, rsgi

if seconds := os.environ.get("WAYPOST_TESTS_DEADLINE"):
    rsgi.WAIT = request_body.STALL = float(seconds)
MIB = 1024 * 1024


class Pieces:
    """A streaming response, as Django marks it."""

    streaming = True

    def __iter__(self) -> Iterator[bytes]:
        return (bytes([number]) * MIB for number in range(5))


def application(environ: dict[str, Any], start: Callable[..., object]) -> Any:
    if environ["PATH_INFO"] == "/broken":
        raise RuntimeError("no")
    start("200 OK", [("content-type", "text/plain")])
    if environ["PATH_INFO"] == "/stream":
        return Pieces()
    size = 0
    try:
        while piece := environ["wsgi.input"].read(70_001):
            size += len(piece)
    except TimeoutError:
        return [b"late"]
    words = (
        environ["PATH_INFO"],
        environ["QUERY_STRING"],
        environ["REMOTE_ADDR"],
        environ.get("HTTP_X_A", "none"),
        size,
    )
    return ["|".join(map(str, words)).encode("latin-1")]


front = rsgi.Front(application, 2)
