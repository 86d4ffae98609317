"""Receive deliveries and record them: one line per request, written before the response.

Signatures are checked with the independent package ``standardwebhooks``.
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

RESPOND_AFTER = 0.05  # seconds, so that attempts are always in flight


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One complete request; ``ordinal`` counts those of one message at one endpoint, from 1."""

    message_id: str
    path: str
    ordinal: int
    digest: str
    verified: bool
    at: float


class Sink(receiver.Receiver):
    """Use as a context manager; ``secrets`` has the secret of each path."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.secrets: dict[str, str] = {}
        self.last_at = 0.0
        self._file = path.open("ab")
        self._path = path
        self._seen: Counter[tuple[str, str]] = Counter()
        self._writing = threading.Lock()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._file.close()

    def take(self, arrival: receiver.Arrival) -> receiver.Respond:
        length = arrival.headers.get("content-length")
        if length is None or len(arrival.body) < int(length):
            return receiver.reset  # incomplete: servers do not accept half a request
        self._write(arrival)
        return receiver.slow(RESPOND_AFTER)

    def requests(self) -> list[RecordedRequest]:
        return [RecordedRequest(**orjson.loads(line)) for line in self._path.read_bytes().splitlines()]

    def _write(self, arrival: receiver.Arrival) -> None:
        verified = self._verifies(arrival)
        digest = sha256(arrival.body).hexdigest()
        with self._writing:
            self._seen[arrival.message_id, arrival.path] += 1
            ordinal = self._seen[arrival.message_id, arrival.path]
            line = RecordedRequest(arrival.message_id, arrival.path, ordinal, digest, verified, time.time())
            self._file.write(orjson.dumps(asdict(line)) + b"\n")
            self._file.flush()
            self.last_at = line.at

    def _verifies(self, arrival: receiver.Arrival) -> bool:
        try:
            arrival.verify(self.secrets[arrival.path])
        except WebhookVerificationError:
            return False
        return True
