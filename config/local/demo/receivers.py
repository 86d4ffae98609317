"""Receive webhooks by a script: one server fails twice for each message, one responds 410 until it is repaired.

Both verify every request with the `standardwebhooks` package, which is not ours, and keep the bytes of each message.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

ACCEPTED, NOT_VERIFIED, GONE = 200, 401, 410
FAILURES = (503, 500)  # responses of the flaky server to the first attempts at a message
MOST_FAILING = 100  # messages that fail; more failures in a row would open the endpoint's circuit breaker


def flaky(number: int, attempt: int) -> int:
    """Fail the first attempts at each message (of the first hundred), then accept."""
    fails = number <= MOST_FAILING and attempt <= len(FAILURES)
    return FAILURES[attempt - 1] if fails else ACCEPTED


class Receiver(ThreadingHTTPServer):
    """A server that verifies, keeps and responds.

    `respond` gets the number of the message (1 is the first that arrived) and of the attempt, and returns the status.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, respond: Callable[[int, int], int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.respond = respond
        self.secret = ""
        self.statuses: Counter[int] = Counter()
        self.bodies: dict[str, bytes] = {}
        self.changed: set[str] = set()  # ids of messages whose bytes differed between attempts
        self._attempts: Counter[str] = Counter()
        self._lock = Lock()

    def receive(self, headers: Mapping[str, str], body: bytes) -> int:
        """Verify and keep one request. Returns the status of the response."""
        try:
            Webhook(self.secret).verify(body, dict(headers))
        except (WebhookVerificationError, ValueError):
            with self._lock:
                self.statuses[NOT_VERIFIED] += 1
            return NOT_VERIFIED
        message = headers["webhook-id"]
        with self._lock:
            self._attempts[message] += 1
            if self.bodies.setdefault(message, body) != body:
                self.changed.add(message)
            status = self.respond(list(self.bodies).index(message) + 1, self._attempts[message])
            self.statuses[status] += 1
            return status

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        status = self.server.receive({name.lower(): value for name, value in self.headers.items()}, body)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the screen shows the counts."""
