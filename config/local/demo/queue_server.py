"""Serve one queue that speaks the JSON protocol of Amazon SQS, as far as a consumer of the demo needs it.

Messages are invisible for a while after they were received, and gone once they are deleted. Signatures are not checked.
"""

import hashlib
import json
import time
import uuid
from threading import Condition
from typing import Any

from config.local.demo.local_server import LocalHandler, LocalServer

QUEUE = "uploads"
ACCOUNT = "000000000000"


class QueueServer(LocalServer):
    """A queue on a port of this machine; `url` is the endpoint of its service."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self._messages: dict[str, tuple[str, float]] = {}  # by receipt handle: body, and when it is visible
        self._changed = Condition()

    def send(self, body: str) -> None:
        """Put a message into the queue."""
        with self._changed:
            self._messages[uuid.uuid4().hex] = (body, 0.0)
            self._changed.notify_all()

    def respond_to(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return the response to an operation."""
        if operation == "GetQueueUrl":
            return {"QueueUrl": f"{self.url}{ACCOUNT}/{QUEUE}"}
        if operation == "GetQueueAttributes":
            return {"Attributes": {"ApproximateNumberOfMessages": str(len(self._messages)), "VisibilityTimeout": "30"}}
        if operation == "ReceiveMessage":
            return {"Messages": self._receive(request)}
        entries = request.get("Entries", [])
        if operation == "DeleteMessageBatch":
            with self._changed:
                for entry in entries:
                    self._messages.pop(entry["ReceiptHandle"], None)
        return {"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []}

    def _receive(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        until = time.monotonic() + min(float(request.get("WaitTimeSeconds", 0)), 20.0)
        with self._changed:
            while not (found := self._visible()) and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            hidden = time.monotonic() + float(request.get("VisibilityTimeout", 30))
            for handle, body in found:
                self._messages[handle] = (body, hidden)
        return [
            {
                "MessageId": str(uuid.UUID(hex=handle)),
                "ReceiptHandle": handle,
                "Body": body,
                "MD5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
                "Attributes": {"SentTimestamp": str(int(time.time() * 1000)), "ApproximateReceiveCount": "1"},
            }
            for handle, body in found
        ]

    def _visible(self) -> list[tuple[str, str]]:
        now = time.monotonic()
        return [(handle, body) for handle, (body, visible_at) in self._messages.items() if visible_at <= now][:10]


class _Handler(LocalHandler):
    server: QueueServer

    def receive(self, body: bytes) -> None:
        request = json.loads(body or b"{}")
        operation = self.headers.get("x-amz-target", "").rpartition(".")[2]
        content = json.dumps(self.server.respond_to(operation, request)).encode()
        self.respond(200, content, "application/x-amz-json-1.0")
