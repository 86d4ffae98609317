"""Two servers that receive webhooks by a script: one stumbles over each message, one is gone until it is repaired.

Every request is checked with the ``standardwebhooks`` package, which is not ours: what it does not believe is
counted and answered 401. The bytes of each message are kept, and must be the same at every attempt.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

__all__ = ["GONE", "MOST_STUMBLES", "NOT_BELIEVED", "STUMBLES", "Gone", "Listener", "Stumbling"]

GONE, ACCEPTED, NOT_BELIEVED = 410, 200, 401
STUMBLES = (503, 500)  # what the first attempts of a message are answered
MOST_STUMBLES = 100  # messages; with more failures in a row it would be an outage, and the breaker would step in


class Listener:
    """A server that checks, keeps and answers. ``name`` is what it is called on the screen."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.secret = ""
        self.statuses: Counter[int] = Counter()
        self.bodies: dict[str, bytes] = {}
        self.changed: set[str] = set()
        self._attempts: Counter[str] = Counter()
        self._numbers: dict[str, int] = {}
        self._lock = Lock()
        self._server = _Server(("127.0.0.1", 0), _Door)
        self._server.listener = self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    @property
    def accepted(self) -> int:
        return self.statuses[ACCEPTED]

    @property
    def requests(self) -> int:
        return sum(self.statuses.values())

    def answer(self, number: int, attempt: int) -> int:
        """The status for this attempt (1, 2, ...) of the message that came as the first, second, ... of all."""
        raise NotImplementedError

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """One request: check, keep, and the status to answer."""
        try:
            Webhook(self.secret).verify(body, headers)
        except (WebhookVerificationError, ValueError):
            with self._lock:
                self.statuses[NOT_BELIEVED] += 1
            return NOT_BELIEVED
        message = headers["webhook-id"]
        with self._lock:
            self._attempts[message] += 1
            if self.bodies.setdefault(message, body) != body:
                self.changed.add(message)
            number = self._numbers.setdefault(message, len(self.bodies))
            status = self.answer(number, self._attempts[message])
            self.statuses[status] += 1
            return status

    @contextmanager
    def listening(self) -> Iterator[None]:
        thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class Stumbling(Listener):
    """Fails the first attempts of each message (of the first hundred), then accepts."""

    def answer(self, number: int, attempt: int) -> int:
        stumbles = number <= MOST_STUMBLES and attempt <= len(STUMBLES)
        return STUMBLES[attempt - 1] if stumbles else ACCEPTED


class Gone(Listener):
    """Answers 410 to everything, until it is repaired."""

    repaired = False

    def answer(self, number: int, attempt: int) -> int:
        return ACCEPTED if self.repaired else GONE


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    listener: Listener


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        status = self.server.listener.take({name.lower(): value for name, value in self.headers.items()}, body)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the screen shows the counts."""
