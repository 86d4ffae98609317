"""Serve a sender's published keys on loopback: every GET gets the configured response and is recorded."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class KeyServer:
    """Respond with `status`, `headers` and `body`; `requests` lists the requested paths."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.status, self.body, self.headers = 200, json.dumps({"keys": keys}).encode(), {"Content-Type": "text/plain"}
        self.requests: list[str] = []
        outer = self

        class Exchange(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                self.send_response(outer.status)
                for name, value in {**outer.headers, "Content-Length": str(len(outer.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/jwks.json"
