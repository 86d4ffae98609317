"""Send to topics of Google Cloud Pub/Sub: publish of the REST API, up to 1,000 messages a request.

The ordering key is the order key of the delivery; messages of one request have the same. A request is accepted or
refused as a whole. Pub/Sub gives each message an id of its own and does not deduplicate what is published twice.

API reference: Cloud Pub/Sub, projects.topics.publish, PubsubMessage, testIamPermissions; "Quotas and limits".
"""

import re
import time
from base64 import b64encode
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import orjson

from delivery.transports.https import api_responses
from delivery.transports.https.api_responses import parsed
from delivery.transports.https.kind import HttpsClient, HttpsKind, HttpsRequest, call_api, token_for_test
from delivery.transports.message import Message
from delivery.transports.order_keys import accepted_key
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, DestinationUnavailable, InvalidSettings, Setting
from subscriptions.endpoints.http.oauth_tokens import BearerToken, start_bearer_request
from webhooks.kit.kinds.setting import url_problem
from webhooks.outgoing.service_account import key_problem, read_key, token_request

URL = "https://pubsub.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/pubsub"
PUBLISH = "pubsub.topics.publish"
KEY = "credentials.service_account"
MAX_ENTRIES = 1_000
MAX_BYTES = 10_000_000  # of one message
MAX_REQUEST_BYTES = 7_000_000  # of several messages: 10 MB as base64
MAX_KEY = 1_024  # bytes of an ordering key
_NAME = re.compile(r"projects/[^/\s]{1,128}/topics/[A-Za-z][A-Za-z0-9._~+%-]{2,254}")
_SHORT = re.compile(r"[A-Za-z][A-Za-z0-9._~+%-]{2,254}")


class PubSub(HttpsKind):
    """Topics of Google Cloud Pub/Sub."""

    name = "pubsub"
    label = "Google Cloud Pub/Sub"
    description = (
        "An event becomes a message of a topic, with its order key as ordering key. At least once; in order per key."
    )
    settings = (
        Setting(
            "topic",
            "Topic",
            "Full name of the topic, or its ID, if it is in the project of the service account.",
            is_required=True,
            max_length=512,
            example="projects/my-project/topics/orders",
        ),
        Setting(
            "endpoint_url",
            "API URL",
            "URL of a regional endpoint, which order per key needs, or of a compatible service. "
            "Default: https://pubsub.googleapis.com.",
            example="https://europe-north1-pubsub.googleapis.com",
        ),
        Setting(
            "service_account",
            "Service account key",
            "JSON key of a service account with the role Pub/Sub Publisher on the topic; needed except with an API URL "
            "of your own.",
            max_length=16_384,
            is_credential=True,
        ),
    )

    def check(self, connection: Connection) -> None:
        text, url = connection.credentials.get("service_account"), connection.settings.get("endpoint_url")
        problems = url_problem(url, "settings.endpoint_url") if url else {}
        if problem := key_problem(text, is_required=not url):
            problems[KEY] = problem
        elif not _full_name(connection):
            problems["settings.topic"] = "Must be the full name of a topic, such as projects/my-project/topics/orders."
        if problems:
            raise InvalidSettings(problems)

    def address(self, settings: Mapping[str, Any]) -> str:
        return f"pubsub://{settings['topic']}"

    def test(self, connection: Connection) -> str:
        credentials = _token(connection)
        bearer = token_for_test(connection, credentials, KEY) if credentials else ""
        request = _request(_topic_url(connection), "testIamPermissions", {"permissions": [PUBLISH]}, bearer)
        if PUBLISH not in (call_api(connection, request, "settings.topic").get("permissions") or ()):
            text = "The topic does not exist, or the service account lacks the role Pub/Sub Publisher on it."
            raise DestinationUnavailable(text, "settings.topic")
        return "The topic exists."

    def client(self, connection: Connection) -> HttpsClient:
        return PubSubClient(connection)


@dataclass(frozen=True, slots=True)
class ServiceAccountToken:
    """Request access tokens with the key of a service account."""

    key: str = field(repr=False)

    def request(self, share: Hashable) -> "Future[BearerToken]":
        account = read_key(self.key)
        headers, body = token_request(account, SCOPE, time.time())
        return start_bearer_request(account.token_url, headers, body, share=share)


class PubSubClient(HttpsClient):
    """Write and read publish for one topic."""

    max_entries = MAX_ENTRIES
    max_bytes = MAX_REQUEST_BYTES
    max_response = 64 * 1024

    def __init__(self, connection: Connection) -> None:
        self._url = _topic_url(connection)
        self.token = _token(connection)

    def size_of(self, message: Message) -> int:
        attributes = sum(len(name) + len(value.encode()) for name, value in message.attributes.items())
        size = len(message.body) + attributes + len((message.order_key or "").encode())
        if size > MAX_BYTES:
            raise SendFailed(Failure.TOO_LARGE, f"The message has {size} bytes; Pub/Sub accepts {MAX_BYTES}.")
        return size

    def batch_key(self, message: Message) -> Hashable:
        return _ordering_key(message)

    def compose(self, messages: Sequence[Message], now: float, bearer: str) -> HttpsRequest:
        return _request(self._url, "publish", {"messages": [*map(_written, messages)]}, bearer)

    def verdicts(self, outcome: Outcome, messages: Sequence[Message]) -> Sequence[Outcome]:
        if not outcome.delivered:
            return api_responses.by_status(outcome, len(messages))
        ids = parsed(outcome.response).get("messageIds")
        if not isinstance(ids, list) or len(ids) != len(messages):
            return api_responses.unreadable(outcome, len(messages))
        return [outcome._replace(response=str(it).encode()) for it in ids]


def _written(message: Message) -> dict[str, Any]:
    written: dict[str, Any] = {
        "data": b64encode(message.body).decode(),
        "attributes": {name: value for name, value in message.attributes.items() if value},
    }
    return written | ({"orderingKey": key} if (key := _ordering_key(message)) else {})


def _ordering_key(message: Message) -> str | None:
    key = message.order_key
    return None if key is None else accepted_key(key, fits=len(key.encode()) <= MAX_KEY)


def _request(topic_url: str, action: str, content: Mapping[str, Any], bearer: str) -> HttpsRequest:
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {bearer}"} if bearer else {})
    return HttpsRequest(f"{topic_url}:{action}", orjson.dumps(content), headers)


def _topic_url(connection: Connection) -> str:
    base = (connection.settings.get("endpoint_url") or URL).rstrip("/")
    return f"{base}/v1/{_full_name(connection)}"


def _token(connection: Connection) -> ServiceAccountToken | None:
    text = connection.credentials.get("service_account")
    return ServiceAccountToken(text) if text else None


def _full_name(connection: Connection) -> str:
    """Return the full name of the topic; empty if the setting is no name of a topic."""
    topic = str(connection.settings["topic"])
    if _NAME.fullmatch(topic):
        return topic
    text = connection.credentials.get("service_account")
    project = read_key(text).project if text else ""
    return f"projects/{project}/topics/{topic}" if project and _SHORT.fullmatch(topic) else ""
