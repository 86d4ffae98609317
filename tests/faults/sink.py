"""The receiving end, which keeps book of what came: one line per request, written before it is answered.

It checks every signature with the ``standardwebhooks`` package, which is not ours.
"""

import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import orjson
from standardwebhooks import WebhookVerificationError

from tests import receiver

THINKS = 0.05  # seconds before it answers, so that at any moment something is in flight


@dataclass(frozen=True, slots=True)
class Line:
    """One request that came whole. ``ordinal`` counts those of one message at one endpoint, from 1."""

    message_id: str
    path: str
    ordinal: int
    digest: str
    verified: bool
    at: float


class Sink(receiver.Receiver):
    """Use as a context manager. ``secrets`` has the secret of each path."""

    def __init__(self, book: Path) -> None:
        super().__init__()
        self.secrets: dict[str, str] = {}
        self.last_at = 0.0
        self._book = book.open("ab")
        self._path = book
        self._seen: Counter[tuple[str, str]] = Counter()
        self._writing = threading.Lock()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._book.close()

    def take(self, arrival: receiver.Arrival) -> receiver.Respond:
        announced = arrival.headers.get("content-length")
        if announced is None or len(arrival.body) < int(announced):
            return receiver.reset  # it broke off: no server takes half a request
        self._write(arrival)
        return receiver.slow(THINKS)

    def lines(self) -> list[Line]:
        return [Line(**orjson.loads(line)) for line in self._path.read_bytes().splitlines()]

    def _write(self, arrival: receiver.Arrival) -> None:
        verified = self._verifies(arrival)
        digest = sha256(arrival.body).hexdigest()
        with self._writing:
            self._seen[arrival.message_id, arrival.path] += 1
            ordinal = self._seen[arrival.message_id, arrival.path]
            line = Line(arrival.message_id, arrival.path, ordinal, digest, verified, time.time())
            self._book.write(orjson.dumps(asdict(line)) + b"\n")
            self._book.flush()
            self.last_at = line.at

    def _verifies(self, arrival: receiver.Arrival) -> bool:
        try:
            arrival.verify(self.secrets[arrival.path])
        except WebhookVerificationError:
            return False
        return True
