"""Receive the webhooks of the demo on local HTTP servers whose statuses are scripted.

The demo runs two: one rejects the first two attempts of each message, the other responds 410 until the demo lets it
accept. Both verify every request with the `standardwebhooks` package, an implementation independent of Waypost's, and
keep the body of each message.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from threading import Lock

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from config.local.demo.local_server import LocalHandler, LocalServer

ACCEPTED, NOT_VERIFIED, GONE = 200, 401, 410
FAILURES = (503, 500)  # statuses of the flaky server for the first attempts of a message
MAX_FAILING_MESSAGES = 100  # messages that the flaky server rejects at first; more would open the circuit breaker


def flaky_status(number: int, attempt: int) -> int:
    """Return the status of the flaky server: FAILURES for the first attempts of early messages, then 200.

    `number` counts the messages, `attempt` the attempts of this one, both from 1.
    """
    fails = number <= MAX_FAILING_MESSAGES and attempt <= len(FAILURES)
    return FAILURES[attempt - 1] if fails else ACCEPTED


class Receiver(LocalServer):
    """A local HTTP server that verifies webhooks, keeps their bodies, and responds with scripted statuses.

    `respond` is called for each verified request with the number of its message, in order of arrival, and the number of
    the attempt, both from 1. It returns the status.
    """

    def __init__(self, respond: Callable[[int, int], int]) -> None:
        super().__init__(_Handler)
        self.respond = respond
        self.secret = ""
        self.statuses: Counter[int] = Counter()
        self.bodies: dict[str, bytes] = {}  # by message id, in order of arrival
        self.changed: set[str] = set()  # ids of messages whose body was not the same in all attempts
        self._attempts: Counter[str] = Counter()
        self._lock = Lock()

    def receive(self, headers: Mapping[str, str], body: bytes) -> int:
        """Verify one request and keep its body. Returns the status of the response."""
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


class _Handler(LocalHandler):
    server: Receiver

    def receive(self, body: bytes) -> None:
        self.respond(self.server.receive({name.lower(): value for name, value in self.headers.items()}, body))
