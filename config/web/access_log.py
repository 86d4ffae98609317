"""Write a line for each request: method, path, status, duration, tenant, key, request and trace id.

The path is written without its query, and without a part that is a secret. Lines are gathered for FLUSH_EVERY seconds
and written together, since writing each would cost as much as making it; what a killed process had gathered is lost.
"""

import asyncio
import atexit
import os
import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import orjson
from django.conf import settings

from config.ops.logs import process_fields
from config.web.middleware import PROBES
from subscriptions.tenants.keys import peek_key
from webhooks.wire.ids import public

FLUSH_EVERY = 0.2  # seconds
ATOMIC = 4096  # bytes that a pipe takes without another writer's in between (PIPE_BUF of Linux)
MAX_PATH = 256  # characters of the path of a request that is refused
SERVER_ERROR = 500
CLIENT_GONE = 499  # status of a request whose client went away before the response, as nginx writes it
BEARER = "bearer "
QUOTES = "'\""
# Parts of paths that open what they name: the last group is hidden.
SECRET_PARTS = re.compile(
    r"^(/inspect/|/inspectors/|/alert-addresses/|/portal/open/|/api/v1/verification-callbacks/|/api/v1/data/(?:[^/]+/){3})([^/]+)"
)
TRACE_ID = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")  # traceparent of W3C Trace Context


def shown_path(path: str) -> str:
    """Return a path without the part that is a secret."""
    return SECRET_PARTS.sub(r"\1[hidden]", path)


class AccessLog:
    """Gather lines, and write them to the standard error.

    ``ratio``: part of the requests that have a line; failures of ours (5xx) always have one, unless it is 0.
    """

    def __init__(self, ratio: float, *, as_json: bool, write: Callable[[bytes], object] | None = None) -> None:
        self.is_on = ratio > 0
        self._ratio = ratio
        self._as_json = as_json
        self._write = write or _write_to_stderr
        self._lines: list[bytes] = []
        if self.is_on:
            atexit.register(self.flush)

    @classmethod
    def of_settings(cls) -> "AccessLog":
        """Return the log that the settings describe."""
        return cls(settings.WAYPOST_ACCESS_LOG, as_json=settings.WAYPOST_LOG_FORMAT == "json")

    def record(self, scope: Any, headers: Mapping[str, str], **fields: Any) -> None:
        """Record a request that has ended. ``fields``: status, seconds, client, request_id. In the event loop."""
        ratio, status = self._ratio, fields["status"]
        if ratio < 1 and status < SERVER_ERROR and random.random() >= ratio:  # noqa: S311 (no secret)
            return
        path = scope["path"]
        if path in PROBES and status < SERVER_ERROR:
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_EVERY, self.flush)
        now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"method": scope["method"], "path": shown_path(path), **fields, **_ids(headers)}
        self._lines.append(self._json(now, line) if self._as_json else self._text(now, line))

    def record_refused(self, method: str, url: bytes, **fields: Any) -> None:
        """Record a request of which only a part was read, as far as it is known."""
        path = unquote(url.partition(b"?")[0].decode("latin-1")) if url.startswith(b"/") else ""
        self.record({"method": method or "-", "path": path[:MAX_PATH] or "-"}, {}, **fields)

    def flush(self) -> None:
        """Write what was gathered, in pieces that no other thread's line can cut."""
        lines, self._lines = self._lines, []
        piece = b""
        for line in lines:
            if piece and len(piece) + len(line) > ATOMIC:
                self._write(piece)
                piece = b""
            piece += line
        if piece:
            self._write(piece)

    @staticmethod
    def _json(now: str, line: dict[str, Any]) -> bytes:
        fixed = {"event": "request", "level": "info", "logger": "waypost.access", "timestamp": now}
        return orjson.dumps({**fixed, **line, **process_fields()}, option=orjson.OPT_APPEND_NEWLINE)

    @staticmethod
    def _text(now: str, line: dict[str, Any]) -> bytes:
        fields = " ".join(f"{name}={ascii(value).strip(QUOTES)}" for name, value in line.items())
        return f"{now} [info     ] request [waypost.access] {fields}\n".encode()


def _ids(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the key of a request, its tenant and its trace, as far as they are known."""
    found = {}
    authorization = headers.get("authorization", "")
    if authorization[: len(BEARER)].lower() == BEARER:
        key, _ = peek_key(authorization[len(BEARER) :].strip())
        if key is not None:
            found["key"] = public("key", key.pk)
            if key.tenant_id is not None:
                found["tenant"] = public("tnt", key.tenant_id)
            elif "waypost-tenant" in headers:
                found["tenant"] = headers["waypost-tenant"][:64]
    if (parent := TRACE_ID.fullmatch(headers.get("traceparent", ""))) is not None:
        found["trace_id"] = parent[1]
    return found


def _write_to_stderr(piece: bytes) -> None:
    try:
        os.write(2, piece)
    except OSError:
        pass  # the reader of the log is gone
