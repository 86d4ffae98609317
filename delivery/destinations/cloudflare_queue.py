"""Send to Cloudflare Queues: Push Message Batch of the REST API, up to 100 messages a request.

A request is accepted or refused as a whole. A message has no attributes beside its body, and a queue does not
deduplicate.

Cloudflare API, Queues, Push Message Batch, "Error codes", "Limits".
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from delivery.transports.https import api_responses
from delivery.transports.https.api_responses import parsed
from delivery.transports.https.kind import HttpsClient, HttpsKind, HttpsRequest, call_api
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings, Setting
from webhooks.kit.kinds.setting import url_problem
from webhooks.wire.transform.template import is_json_text

URL = "https://api.cloudflare.com/client/v4"
JSON, TEXT = "json", "text"
MAX_ENTRIES = 100
MAX_BYTES = 127_000  # of one message: 128,000 with what Cloudflare adds
MAX_REQUEST_BYTES = 250_000  # of all messages of one request: 256,000 with what it adds
OVERHEAD = 100  # bytes that a message counts beside its body
CODES = {10104: Failure.NOT_FOUND, 10106: Failure.ACCESS_DENIED, 10107: Failure.NOT_FOUND, 7003: Failure.NOT_FOUND}
_ID = re.compile(r"[0-9a-f]{32}")
_TOKEN = re.compile(r"[!-~]{1,512}")


class CloudflareQueue(HttpsKind):
    """Queues of Cloudflare."""

    name = "cloudflare_queue"
    label = "Cloudflare Queues"
    description = "An event becomes a message of a queue. At least once."
    settings = (
        Setting(
            "account_id",
            "Account ID",
            "Id of the account.",
            is_required=True,
            max_length=32,
            example="023e105f4ecef8ad9ca31a8372d0c353",
        ),
        Setting(
            "queue_id",
            "Queue ID",
            "Id of the queue, not its name.",
            is_required=True,
            max_length=32,
            example="4b5d1d2a3c4e5f60718293a4b5c6d7e8",
        ),
        Setting(
            "content_type",
            "Content type",
            "json: a Worker gets the event as an object. text: as a string, with the bytes that were signed.",
            default=JSON,
            choices=(JSON, TEXT),
        ),
        Setting(
            "endpoint_url",
            "API URL",
            "URL of a compatible API. Default: https://api.cloudflare.com/client/v4.",
            example="https://api.cloudflare.com/client/v4",
        ),
        Setting(
            "api_token",
            "API token",
            "Token with the permission Queues Edit.",
            is_required=True,
            max_length=512,
            is_credential=True,
        ),
    )

    def check(self, connection: Connection) -> None:
        problems = {
            f"settings.{name}": "Must be an id of 32 hexadecimal digits in lower case."
            for name in ("account_id", "queue_id")
            if not _ID.fullmatch(connection.settings[name])
        }
        if not _TOKEN.fullmatch(connection.credentials.get("api_token", "")):
            problems |= {"credentials.api_token": "Must be printable ASCII without spaces."}
        if url := connection.settings.get("endpoint_url"):
            problems |= url_problem(url, "settings.endpoint_url")
        if problems:
            raise InvalidSettings(problems)

    def address(self, settings: Mapping[str, Any]) -> str:
        return _queue_url(settings)

    def test(self, connection: Connection) -> str:
        request = HttpsRequest(_queue_url(connection.settings), b"", _headers(connection), "GET")
        found = call_api(connection, request, "settings.queue_id").get("result")
        name = found.get("queue_name") if isinstance(found, dict) else None
        return f"Found the queue {str(name)[:100]}." if name else "The queue exists."

    def client(self, connection: Connection) -> HttpsClient:
        return CloudflareQueueClient(connection)


class CloudflareQueueClient(HttpsClient):
    """Write and read Push Message Batch for one queue."""

    max_entries = MAX_ENTRIES
    max_bytes = MAX_REQUEST_BYTES
    max_response = 16 * 1024

    def __init__(self, connection: Connection) -> None:
        self._url = f"{_queue_url(connection.settings)}/messages/batch"
        self._headers = {**_headers(connection), "content-type": "application/json"}
        self._is_json = connection.settings["content_type"] == JSON

    def size_of(self, message: Message) -> int:
        size = len(message.body) + OVERHEAD
        if size > MAX_BYTES:
            raise SendFailed(Failure.TOO_LARGE, f"The message has {size} bytes; Cloudflare accepts {MAX_BYTES}.")
        return size

    def compose(self, messages: Sequence[Message], now: float, bearer: str) -> HttpsRequest:
        body = b'{"messages":[' + b",".join(map(self._written, messages)) + b"]}"
        return HttpsRequest(self._url, body, self._headers)

    def _written(self, message: Message) -> bytes:
        """Return a message; JSON is written as it is, not read and written again."""
        text = message.body.decode("utf-8", "replace")
        if self._is_json and (message.is_event or is_json_text(text)):
            return b'{"content_type":"json","body":' + message.body + b"}"
        return orjson.dumps({"content_type": TEXT, "body": text})

    def verdicts(self, outcome: Outcome, messages: Sequence[Message]) -> Sequence[Outcome]:
        if outcome.status is None:
            return [outcome] * len(messages)
        document = parsed(outcome.response)
        if outcome.delivered and document.get("success") is True:
            return [outcome] * len(messages)
        errors = document.get("errors")
        codes = [it.get("code") for it in errors if isinstance(it, dict)] if isinstance(errors, list) else []
        known = next((CODES[it] for it in codes if it in CODES), None)
        if known is not None:
            return [api_responses.failed(outcome, known)] * len(messages)
        if not outcome.delivered:
            return api_responses.by_status(outcome, len(messages))
        if document.get("success") is False:
            return [api_responses.failed(outcome, Failure.REFUSED)] * len(messages)
        return api_responses.unreadable(outcome, len(messages))


def _headers(connection: Connection) -> dict[str, str]:
    return {"authorization": f"Bearer {connection.credentials.get('api_token', '')}"}


def _queue_url(settings: Mapping[str, Any]) -> str:
    base = (settings.get("endpoint_url") or URL).rstrip("/")
    return f"{base}/accounts/{settings['account_id']}/queues/{settings['queue_id']}"
