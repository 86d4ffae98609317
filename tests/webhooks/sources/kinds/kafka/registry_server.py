"""Serve schemas over HTTP as schema registries do, by a table of the test."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class RegistryServer:
    """A registry. ``responses``: by path, a JSON value, text, or a status; ``calls``: the paths asked for."""

    def __init__(self) -> None:
        self.responses: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        self.calls: list[str] = []
        self.authorizations: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def do_GET(self) -> None:
                outer.calls.append(self.path)
                outer.authorizations.append(self.headers.get("Authorization"))
                found = outer.responses.get(self.path, 404)
                status, body = (found, "") if isinstance(found, int) else (200, found)
                data = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02])
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def registry_server() -> Iterator[RegistryServer]:
    """Run a registry without schemas."""
    server = RegistryServer()
    try:
        yield server
    finally:
        server.close()
