"""Send to queues and topics of Azure Service Bus: Send Message Batch of the REST API.

``MessageId`` is the id of the event, by which a queue or topic with duplicate detection stores a repeat once.
``SessionId`` is the order key of the delivery; messages of one request have the same. A request is accepted or refused
as a whole.

API reference: Service Bus REST API, Send Message Batch, "Introduction"; "Azure Service Bus quotas".
"""

import re
import time
from collections.abc import Hashable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from delivery.transports.http.responses import SUCCESS
from delivery.transports.https import api_responses, azure
from delivery.transports.https.kind import (
    HttpsClient,
    HttpsKind,
    HttpsRequest,
    call,
    shortened,
    token_for_test,
)
from delivery.transports.message import Message
from delivery.transports.order_keys import accepted_key
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, DestinationUnavailable, InvalidSettings, Setting
from webhooks.kit.kinds.setting import url_problem

SCOPE = "https://servicebus.azure.net/.default"
STANDARD, PREMIUM = "standard", "premium"
MAX_BYTES = {STANDARD: 256 * 1024, PREMIUM: 1024 * 1024}  # of a message and of a request, by tier
OVERHEAD = 256  # bytes of a message for its properties and their names
MAX_ENTRIES = 100
MAX_SESSION = 128  # characters
BATCH_TYPE = "application/vnd.microsoft.servicebus.json"
API_VERSION = "2021-05"  # of the management of entities
_ENTITY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/~-]{0,258}[A-Za-z0-9])?")
_MAY_NOT_LOOK = re.compile(rb"Manage|EntityRead")  # claims that the key of a sender lacks
_QUOTA = re.compile(rb"quota|SubCode=40301|SubCode=40302", re.IGNORECASE)
_SIZE = re.compile(rb"too large|size|SubCode=40303", re.IGNORECASE)


class AzureServiceBus(HttpsKind):
    """Queues and topics of Azure Service Bus."""

    name = "azure_service_bus"
    label = "Azure Service Bus"
    description = (
        "An event becomes a message of a queue or topic, with its order key as session. At least once; with duplicate "
        "detection a repeat is stored once."
    )
    settings = (
        Setting(
            "namespace_url",
            "Namespace URL",
            "URL of the namespace.",
            is_required=True,
            example="https://shop.servicebus.windows.net",
        ),
        Setting(
            "entity",
            "Queue or topic",
            "Name of the queue or topic.",
            is_required=True,
            max_length=260,
            example="orders",
        ),
        Setting(
            "tier",
            "Tier",
            "Tier of the namespace, which limits a message: 256 KiB in standard, 1 MiB in premium.",
            default=STANDARD,
            choices=(STANDARD, PREMIUM),
        ),
        Setting(
            "key_name",
            "Policy",
            "Name of the shared access policy with the claim Send; or give an application of Microsoft Entra ID.",
            max_length=256,
            example="send",
        ),
        Setting("access_key", "Access key", "Key of the policy.", max_length=256, is_credential=True),
        *azure.ENTRA,
    )

    def check(self, connection: Connection) -> None:
        settings = connection.settings
        problems = url_problem(settings["namespace_url"], "settings.namespace_url")
        if not _ENTITY.fullmatch(settings["entity"]) or "//" in settings["entity"]:
            problems["settings.entity"] = "Must be the name of a queue or topic."
        key, name = connection.credentials.get("access_key"), settings.get("key_name")
        has_application = bool(connection.credentials.get("client_secret") or settings.get("client_id"))
        if key and has_application:
            problems["credentials.access_key"] = "Give either a key or an application of Microsoft Entra ID."
        elif bool(key) != bool(name):
            problems["settings.key_name" if key else "credentials.access_key"] = "Is required."
        elif not key and not has_application:
            problems["credentials.access_key"] = "Is required, unless an application of Microsoft Entra ID is given."
        problems |= azure.entra_problems(connection)
        if problems:
            raise InvalidSettings(problems)

    def address(self, settings: Mapping[str, Any]) -> str:
        return _entity_url(settings)

    def test(self, connection: Connection) -> str:
        credentials = azure.entra_credentials(connection, SCOPE)
        bearer = token_for_test(connection, credentials, "credentials.client_secret") if credentials else ""
        url = f"{_entity_url(connection.settings)}?api-version={API_VERSION}"
        headers = {"authorization": _authorization(connection, time.time(), bearer)}
        status, body = call(connection, HttpsRequest(url, b"", headers, "GET"), "settings.namespace_url")
        if status in SUCCESS and b"<entry" in body:
            return "The queue or topic exists."
        if status in (401, 403) and _MAY_NOT_LOOK.search(body):
            return "The credentials are accepted. They do not allow to see whether the queue or topic exists."
        if status in (401, 403):
            raise DestinationUnavailable(f"Access denied ({status}): {shortened(body)}", "credentials")
        if status in SUCCESS or status in (404, 410):
            raise DestinationUnavailable("There is no such queue or topic.", "settings.entity")
        raise DestinationUnavailable(f"The response has status {status}: {shortened(body)}", "settings.namespace_url")

    def client(self, connection: Connection) -> HttpsClient:
        return ServiceBusClient(connection)


class ServiceBusClient(HttpsClient):
    """Write and read Send Message Batch for one queue or topic."""

    max_entries = MAX_ENTRIES
    max_response = 16 * 1024

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._url = f"{_entity_url(connection.settings)}/messages"
        self.token = azure.entra_credentials(connection, SCOPE)
        self.max_bytes = MAX_BYTES[connection.settings["tier"]]

    def size_of(self, message: Message) -> int:
        attributes = sum(len(name) + len(value.encode()) for name, value in message.attributes.items())
        size = len(message.body) + attributes + OVERHEAD
        if size > self.max_bytes:
            text = f"The message has {size} bytes with its properties; this tier accepts {self.max_bytes}."
            raise SendFailed(Failure.TOO_LARGE, text)
        return size

    def batch_key(self, message: Message) -> Hashable:
        return _session(message)

    def compose(self, messages: Sequence[Message], now: float, bearer: str) -> HttpsRequest:
        headers = {"content-type": BATCH_TYPE, "authorization": _authorization(self._connection, now, bearer)}
        return HttpsRequest(self._url, orjson.dumps([*map(_written, messages)]), headers)

    def verdicts(self, outcome: Outcome, messages: Sequence[Message]) -> Sequence[Outcome]:
        if outcome.status == 403 and _QUOTA.search(outcome.response):
            return [api_responses.failed(outcome, Failure.THROTTLED)] * len(messages)
        if outcome.status == 403 and _SIZE.search(outcome.response):
            return [api_responses.failed(outcome, Failure.TOO_LARGE)] * len(messages)
        return api_responses.by_status(outcome, len(messages))


def _written(message: Message) -> dict[str, Any]:
    properties = {"MessageId": message.id}
    if session := _session(message):
        properties["SessionId"] = session
    return {
        "Body": message.body.decode("utf-8", "replace"),
        "BrokerProperties": properties,
        "UserProperties": message.attributes,
    }


def _session(message: Message) -> str | None:
    key = message.order_key
    return None if key is None else accepted_key(key, fits=len(key) <= MAX_SESSION)


def _authorization(connection: Connection, now: float, bearer: str) -> str:
    if key := connection.credentials.get("access_key"):
        resource = _entity_url(connection.settings)
        return azure.shared_access_signature(resource, connection.settings["key_name"], key, now)
    return f"Bearer {bearer}"


def _entity_url(settings: Mapping[str, Any]) -> str:
    return f"{settings['namespace_url'].rstrip('/')}/{quote(settings['entity'], safe='/~')}"
