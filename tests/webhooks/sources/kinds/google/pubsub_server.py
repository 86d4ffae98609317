"""Serve the REST API of Pub/Sub on loopback, as its reference describes it, with one subscription and topics in memory.

No emulator can be installed here without Google's own tools. The JWT of a service account is checked with its public
key by another library than the one that signs it.
"""

import json
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

SUBSCRIPTION = "projects/shop/subscriptions/orders"
EMAIL = "reader@shop.iam.gserviceaccount.example"
GUEST = "guest@shop.iam.gserviceaccount.example"  # gets tokens, and has no role
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = PRIVATE.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


@dataclass
class Message:
    """A message, and when it is delivered next (monotonic); ``handle`` of its latest delivery."""

    fields: dict[str, Any]
    visible_at: float = 0.0
    handle: str = ""
    attempts: int = 0
    is_acknowledged: bool = False
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class PubSubServer:
    """Hold the messages of the subscription; ``fails`` has statuses with which the next requests of an action fail.

    ``topics``: what was published, by the full name of the topic.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.permissions = ["pubsub.subscriptions.consume"]
        self.calls: list[str] = []
        self.fails: dict[str, list[int]] = {}
        self.tokens: set[str] = set()
        self.guests: set[str] = set()  # tokens of a service account without roles
        self.topics: dict[str, list[dict[str, Any]]] = {}
        self.deadline = 90.0  # seconds, the longest that is granted
        self.pulled_for = 10.0  # seconds, the deadline of the subscription
        self.waits = 0.1  # seconds, of a pull without messages
        self.deadlines: list[float] = []
        self.url = ""
        self.lock = threading.Lock()

    def key_file(self, **changes: str) -> str:
        """Return the JSON of the service account's key."""
        document = {
            "type": "service_account",
            "project_id": "shop",
            "private_key_id": "k1",
            "private_key": PEM,
            "client_email": EMAIL,
            "token_uri": f"{self.url}/token",
        }
        return json.dumps({**document, **changes})

    def publish(self, *bodies: bytes, **more: Any) -> None:
        for body in bodies:
            fields = {"data": b64encode(body).decode(), "messageId": str(1000 + len(self.messages)), **more}
            self.messages.append(Message(fields))

    @property
    def left(self) -> int:
        return sum(not it.is_acknowledged for it in self.messages)

    def token(self, form: Mapping[str, list[str]]) -> tuple[int, Any]:
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        try:
            claims = jwt.decode(
                form["assertion"][0],
                PRIVATE.public_key(),
                ["RS256"],
                audience=f"{self.url}/token",
                issuer=[EMAIL, GUEST],
            )
        except jwt.InvalidTokenError:
            return 400, {"error": "invalid_grant"}
        assert claims["scope"] == "https://www.googleapis.com/auth/pubsub"
        assert claims["exp"] - claims["iat"] <= 3600
        token = f"token-{len(self.tokens) + len(self.guests)}"
        (self.tokens if claims["iss"] == EMAIL else self.guests).add(token)
        return 200, {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}

    def act_on_topic(self, name: str, action: str, request: Mapping[str, Any], *, is_guest: bool) -> tuple[int, Any]:
        """Return status and body of a call to a topic."""
        if self.fails.get(action):
            return self.fails[action].pop(0), {"error": {"message": f"No {action}."}}
        if action == "testIamPermissions":
            return 200, {} if is_guest or name not in self.topics else {"permissions": request["permissions"]}
        if is_guest:
            return 403, {"error": {"code": 403, "message": "User not authorized.", "status": "PERMISSION_DENIED"}}
        if name not in self.topics:
            return 404, {"error": {"code": 404, "message": "Resource not found.", "status": "NOT_FOUND"}}
        messages: list[dict[str, Any]] = request["messages"]
        keys = {it.get("orderingKey") for it in messages}
        if len(keys) != 1 or len(messages) > 1000 or any("" in it["attributes"].values() for it in messages):
            return 400, {"error": {"code": 400, "message": "Invalid.", "status": "INVALID_ARGUMENT"}}
        topic = self.topics[name]
        with self.lock:
            topic += messages
        return 200, {"messageIds": [str(len(topic) + number) for number in range(len(messages))]}

    def act(self, action: str, request: Mapping[str, Any]) -> tuple[int, Any]:
        """Return status and body of a call."""
        self.calls.append(action)
        if self.fails.get(action):
            status = self.fails[action].pop(0)
            return status, {"error": {"code": status, "message": f"No {action}."}}
        return 200, getattr(self, f"_{action}")(request)

    def _testIamPermissions(self, request: Mapping[str, Any]) -> Any:
        found = [it for it in request["permissions"] if it in self.permissions]
        return {"permissions": found} if found else {}

    def _pull(self, request: Mapping[str, Any]) -> Any:
        until = time.monotonic() + (0 if request.get("returnImmediately") else self.waits)
        while True:
            with self.lock:
                found = [it for it in self.messages if not it.is_acknowledged and it.visible_at <= time.monotonic()]
                found = found[: request["maxMessages"]]
                for it in found:
                    it.attempts += 1
                    it.handle = f"{it.fields['messageId']}/{it.attempts}"
                    it.visible_at = time.monotonic() + self.pulled_for
            if found or time.monotonic() >= until:
                break
            time.sleep(0.01)
        received = [
            {
                "ackId": it.handle,
                "deliveryAttempt": it.attempts,
                "message": {"publishTime": it.at.isoformat().replace("+00:00", "Z"), **it.fields},
            }
            for it in found
        ]
        return {"receivedMessages": received} if received else {}

    def _modifyAckDeadline(self, request: Mapping[str, Any]) -> Any:
        seconds = request["ackDeadlineSeconds"]
        self.deadlines.append(seconds)
        for it in self.messages:
            if it.handle in request["ackIds"]:
                it.visible_at = time.monotonic() + min(seconds, self.deadline)
        return {}

    def _acknowledge(self, request: Mapping[str, Any]) -> Any:
        for it in self.messages:
            if it.handle in request["ackIds"]:
                it.is_acknowledged = True
        return {}

    def _seek(self, request: Mapping[str, Any]) -> Any:
        time_of = datetime.fromisoformat(request["time"])
        for it in self.messages:
            it.is_acknowledged, it.visible_at = it.at < time_of, 0.0
        return {}


@contextmanager
def pubsub_server() -> Iterator[PubSubServer]:
    """Run a server."""
    state = PubSubServer()

    class Exchange(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            path, _, action = self.path.removeprefix("/v1/").partition(":")
            bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
            if self.path == "/token":
                self.respond(*state.token(parse_qs(body.decode())))
            elif "/topics/" in path and bearer in state.tokens | state.guests:
                is_guest = bearer in state.guests
                self.respond(*state.act_on_topic(path, action, json.loads(body), is_guest=is_guest))
            elif bearer not in state.tokens:
                self.respond(401, {"error": {"code": 401, "message": "No such token."}})
            elif path != SUBSCRIPTION and action != "testIamPermissions":
                self.respond(404, {"error": {"code": 404, "message": "Resource not found."}})
            else:
                self.respond(*state.act(action, {**json.loads(body)} if path == SUBSCRIPTION else {"permissions": []}))

        def respond(self, status: int, document: Any) -> None:
            written = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()
