"""A kind whose library does what a test says."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from delivery.transports.message import Message
from delivery.transports.sockets.kind import Sent, ShownMessage, SocketKind
from subscriptions.endpoints.destinations.kind import Connection, Setting
from subscriptions.routing.targets import DeliveryTarget
from webhooks.wire.ids import new_id
from webhooks.wire.signing.keys import new_secret
from webhooks.wire.signing.standard_webhooks import Signer

TENANT = new_id()


class Library:
    """Record what the clients did. ``send``: what each send does; ``hangs``: while set, sends block."""

    def __init__(self) -> None:
        self.sent: list[list[bytes]] = []
        self.opened: list[Mapping[str, Any]] = []
        self.closed = 0
        self.hangs = threading.Event()
        self.may_go = threading.Event()
        self.send: Callable[[Sequence[Message]], Sequence[Sent]] = lambda messages: [b"ok"] * len(messages)


library = Library()


class Client:
    def send(self, messages: Sequence[Message], timeout: float) -> Sequence[Sent]:
        library.sent.append([it.body for it in messages])
        if library.hangs.is_set():
            library.may_go.wait()
        return library.send(messages)

    def close(self) -> None:
        library.closed += 1


class Scripted(SocketKind):
    name = "scripted"
    label = "Scripted"
    description = "Messages of a list."
    settings = (Setting("place", "Place", "A place.", default="here"),)
    max_entries = 10

    def address(self, settings: Mapping[str, Any]) -> str:
        return f"scripted:{settings['place']}"

    def test(self, connection: Connection) -> str:
        return "Found."

    def connect(self, connection: Connection, timeout: float) -> Client:
        library.opened.append(connection.settings)
        return Client()

    def preview(self, connection: Connection, message: Message, now: float) -> ShownMessage:
        return ShownMessage("SEND", self.address(connection.settings), message.attributes, message.body)


def make_target(**changes: Any) -> DeliveryTarget:
    target = DeliveryTarget(
        endpoint_id=new_id(),
        tenant_id=TENANT,
        version=1,
        state="active",
        address="scripted:here",
        timeout_ms=5_000,
        max_in_flight=512,
        rate_limit=None,
        ordering="",
        retry_plan=None,
        signer=Signer([new_secret()]),
        valid_until=None,
        kind="scripted",
        connection=Connection("ep_1", TENANT, {"place": "here"}),
    )
    return replace(target, **changes)
