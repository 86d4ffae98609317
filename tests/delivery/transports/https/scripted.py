"""A kind with an API of one operation: POST an array of bodies, answered by an array of words."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from delivery.transports.https.kind import HttpsClient, HttpsKind, HttpsRequest
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, Setting
from subscriptions.endpoints.http.credentials import ClientCredentials

LARGEST = 1_000  # bytes


class Client(HttpsClient):
    max_entries = 5

    def __init__(self, connection: Connection) -> None:
        self.url = connection.settings["url"]
        oauth = {name: text for name, text in connection.credentials.items() if name != "type"}
        self.token = ClientCredentials(**oauth) if oauth else None

    def size_of(self, message: Message) -> int:
        if len(message.body) > LARGEST:
            raise SendFailed(Failure.TOO_LARGE, f"At most {LARGEST} bytes.")
        return len(message.body)

    def compose(self, messages: Sequence[Message], now: float, bearer: str) -> HttpsRequest:
        if any(it.body == b'"broken"' for it in messages):
            raise RuntimeError("cannot be composed")
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {bearer}"} if bearer else {})}
        return HttpsRequest(self.url, b"[" + b",".join(it.body for it in messages) + b"]", headers, "PUT")

    def verdicts(self, outcome: Outcome, messages: Sequence[Message]) -> Sequence[Outcome]:
        if not outcome.delivered or not outcome.response:
            return [outcome] * len(messages)
        words: list[str] = orjson.loads(outcome.response)
        failed = outcome._replace(failure=Failure.REFUSED, rejected=True)
        return [outcome if word == "ok" else failed for word in words]


class Scripted(HttpsKind):
    name = "scripted_https"
    label = "Scripted"
    description = "Messages of an array."
    settings = (Setting("url", "URL", "A URL.", is_required=True),)

    def address(self, settings: Mapping[str, Any]) -> str:
        return str(settings["url"])

    def test(self, connection: Connection) -> str:
        return "Found."

    def client(self, connection: Connection) -> Client:
        return Client(connection)
