"""Serve HTTP on a port of this machine while a block runs: what the servers of the demo have in common."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class LocalServer(ThreadingHTTPServer):
    """An HTTP server on a free port of the loopback address; `url` is where it is."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: "type[LocalHandler]") -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Serve requests in a thread while the block runs."""
        thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            self.server_close()
            thread.join()


class LocalHandler(BaseHTTPRequestHandler):
    """A handler of HTTP/1.1 that reads whole bodies and responds with whole ones."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Respond to a request."""
        self.receive(self.rfile.read(int(self.headers.get("content-length", 0))))

    @abstractmethod
    def receive(self, body: bytes) -> None:
        """Respond to a request with this body."""

    def respond(self, status: int, body: bytes = b"", content_type: str = "") -> None:
        """Send a response."""
        self.send_response(status)
        if content_type:
            self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log no requests: the demo shows what arrives instead."""
