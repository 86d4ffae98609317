"""Receive webhooks on this machine: no tunnel, and no address that others can reach.

An endpoint of the type `poll` is created for the time of the command. Its messages come as Server-Sent Events, and are
sent on to a local port as they would be sent to an address, signature included.
"""

import contextlib
import json
import secrets
import select
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import httpx

from waypost_client.cli.command import Context, argument, command
from waypost_client.client import Client
from waypost_client.errors import Problem

PAUSE = 1.0  # seconds before connecting again
STREAM_TIMEOUT = httpx.Timeout(30.0, read=90.0)  # seconds; the stream has a comment at least every 30
FORWARD_TIMEOUT = 30.0  # seconds
NOT_FORWARDED = frozenset({"host", "content-length", "connection"})


@command(
    "listen",
    "receive webhooks on a local port, until Ctrl-C; r and Enter sends the latest again",
    argument("port", type=int, help="port of your server on this machine"),
    argument("--path", default="/", help="path of the address there (default /)"),
    argument("--types", default="*", help="event types, separated by commas (default: all)"),
    argument("--secret", help="secret that signs, as whsec_...; a new one is made and shown if there is none"),
    argument("--uid", help="of the endpoint: it is kept, with what waits, and the next listen goes on there"),
    changes=True,
    has_end=False,
)
def listen(context: Context) -> None:
    """Create the endpoint, forward what comes, and delete the endpoint at the end."""
    given = context.arguments
    address = f"http://127.0.0.1:{given.port}/{given.path.lstrip('/')}"
    endpoint, secret = _endpoint(context.client, given)
    context.output.note(f"forwarding {given.types} to {address}")
    if secret:
        context.output.note(f"signed with {secret}")
    forwarder = Forwarder(context, address, endpoint)
    try:
        forwarder.run()
    except KeyboardInterrupt:
        context.output.note("stopped")
    finally:
        if not given.uid:
            with contextlib.suppress(Problem):
                context.client.delete_endpoint(endpoint)


def _endpoint(client: Client, given: Any) -> tuple[str, str]:
    """Create the endpoint, or find the one that is kept; return its id, and its secret if it is new."""
    if given.uid:
        with contextlib.suppress(Problem):
            return str(client.get_endpoint(given.uid)["id"]), ""
    body: dict[str, Any] = {
        "type": "poll",
        "uid": given.uid or f"listen-{secrets.token_hex(6)}",
        "description": "waypost listen",
        "settings": {"visibility_timeout": int(FORWARD_TIMEOUT) * 2},
        "subscriptions": [{"event_types": given.types.split(",")}],
    }
    if given.secret:
        body["secret"] = given.secret
    made: Any = client.create_endpoint(body)  # type: ignore[arg-type]
    return str(made["id"]), str(made["secret"])


class Forwarder:
    """Read the stream of an endpoint, send each message on, and report what became of it."""

    def __init__(self, context: Context, address: str, endpoint: str) -> None:
        self._context = context
        self._path = f"/api/v1/endpoints/{endpoint}"
        self._address = address
        self._local = httpx.Client(timeout=FORWARD_TIMEOUT)
        self._latest: Any = None
        self._cursor = ""

    def run(self) -> None:
        """Forward until interrupted. The stream is opened again when the server was restarted."""
        threading.Thread(target=self._read_keys, daemon=True).start()
        is_first = True
        while True:
            try:
                for message in self._messages():
                    is_first = True
                    self._report(message["id"], self._forward(message))
            except httpx.TransportError as error:
                if is_first:
                    self._context.output.note(f"connection lost ({type(error).__name__}); trying again")
                is_first = False
            time.sleep(PAUSE)

    def _messages(self) -> Iterator[Any]:
        headers = {"accept": "text/event-stream"}
        if self._cursor:
            headers["last-event-id"] = self._cursor
        stream = self._context.client.http.stream(
            "GET", f"{self._path}/messages/", headers=headers, timeout=STREAM_TIMEOUT
        )
        with stream as response:
            if response.status_code in (429, 502, 503, 504):
                return
            if not response.is_success:
                response.read()
                raise ValueError(f"the stream was refused: {response.status_code} {response.text[:200]}")
            for event_id, data in _server_sent_events(response.iter_lines()):
                yield json.loads(data)
                self._cursor = event_id or self._cursor

    def _forward(self, message: Any) -> tuple[bool, str]:
        """Send a message to the local server; return whether it was accepted, and what to say."""
        self._latest = message
        headers = {name: value for name, value in message["headers"].items() if name.lower() not in NOT_FORWARDED}
        body = message["body"]
        content = b64decode(body) if message["encoding"] == "base64" else body.encode()
        began = time.monotonic()
        try:
            response = self._local.post(self._address, content=content, headers=headers)
        except httpx.TransportError as error:
            result = False, f"{self._address}: {error or type(error).__name__}"
        else:
            result = response.is_success, f"{response.status_code} in {(time.monotonic() - began) * 1000:.0f} ms"
        color = "green" if result[0] else "red"
        shown = {"id": message["id"], "accepted": result[0], "result": result[1], "body": body}
        self._context.output.one(
            shown, f"{time.strftime('%H:%M:%S')}  {_type_of(body):24} {self._context.output.color(result[1], color)}"
        )
        return result

    def _report(self, delivery: str, result: tuple[bool, str]) -> None:
        body = {"acknowledged": [delivery]} if result[0] else {"failed": [{"id": delivery, "reason": result[1]}]}
        with contextlib.suppress(httpx.TransportError):  # it is handed out again, and reported then
            self._context.client.http.post(f"{self._path}/acknowledgements/", json=body)

    def _read_keys(self) -> None:
        """Send the latest message again for each line ``r``."""
        while sys.stdin and not sys.stdin.closed:
            try:
                ready, _, _ = select.select([sys.stdin], [], [], 1.0)
            except (OSError, ValueError):
                return
            if ready:
                line = sys.stdin.readline()
                if not line:
                    return
                if line.strip() == "r" and self._latest is not None:
                    self._forward(self._latest)


def _server_sent_events(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Yield id and data of each event of a stream (HTML Standard, section 9.2.6)."""
    event_id = ""
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield event_id, "\n".join(data)
            data = []
        elif name == "id":
            event_id = value
        elif name == "data":
            data.append(value)


def _type_of(body: str) -> str:
    try:
        found = json.loads(body)
    except ValueError:
        return "message"
    return str(found.get("type", "message")) if isinstance(found, dict) else "message"
