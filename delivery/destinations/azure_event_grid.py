"""Send to topics of Azure Event Grid that take CloudEvents: custom topics, domains, partner and namespace topics.

Events that are due together are one array (CloudEvents HTTP binding 1.0.2, section 3.3), which is accepted or refused
as a whole. Event Grid has no attributes beside the event and does not deduplicate.

Azure Event Grid, "Publish events to custom topics using access keys", "Authenticate publishing clients", "Publish
events using CloudEvents schema".
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

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
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from subscriptions.endpoints.destinations.kind import Connection, DestinationUnavailable, InvalidSettings, Setting
from webhooks.kit.kinds.setting import url_problem
from webhooks.wire.cloudevents.http_modes import BATCH

SCOPE = "https://eventgrid.azure.net/.default"
API_VERSION = "2018-01-01"
MAX_BYTES = 1024 * 1024 - 2  # of an event, and of the events of one request, without the brackets
MAX_ENTRIES = 1_000
CONTENT_TYPE = f"{BATCH}; charset=utf-8"
KEYS = ("access_key", "sas_token", "client_secret")  # credentials, of which one is given
_PRINTABLE = re.compile(r"[!-~]+")


class AzureEventGrid(HttpsKind):
    """Topics of Azure Event Grid."""

    name = "azure_event_grid"
    label = "Azure Event Grid"
    description = "An event becomes an event of a topic, in the schema of CloudEvents. At least once."
    settings = (
        Setting(
            "topic_url",
            "Topic endpoint",
            "Endpoint of a topic with the input schema Cloud Event Schema v1.0.",
            is_required=True,
            example="https://orders.westeurope-1.eventgrid.azure.net/api/events",
        ),
        Setting(
            "access_key",
            "Access key",
            "Key of the topic; or give a SAS token, or an application of Microsoft Entra ID.",
            max_length=512,
            is_credential=True,
        ),
        Setting(
            "sas_token",
            "SAS token",
            "Signature for the topic with its expiry: r=...&e=...&s=...",
            max_length=2048,
            is_credential=True,
        ),
        *azure.ENTRA,
    )

    def check(self, connection: Connection) -> None:
        problems = url_problem(connection.settings["topic_url"], "settings.topic_url")
        given = [name for name in KEYS if connection.credentials.get(name)]
        if not given and not connection.settings.get("client_id"):
            text = "Is required, unless a SAS token or an application of Microsoft Entra ID is given."
            problems["credentials.access_key"] = text
        if len(given) > 1:
            problems[f"credentials.{given[1]}"] = f"Give only one of {', '.join(KEYS)}."
        for name in given:
            if not _PRINTABLE.fullmatch(connection.credentials[name]):
                problems[f"credentials.{name}"] = "Must be printable ASCII without spaces."
        problems |= azure.entra_problems(connection)
        if problems:
            raise InvalidSettings(problems)

    def address(self, settings: Mapping[str, Any]) -> str:
        return str(settings["topic_url"])

    def test(self, connection: Connection) -> str:
        """Send an array without events: the topic checks the credentials before it reads the array."""
        credentials = azure.entra_credentials(connection, SCOPE)
        bearer = token_for_test(connection, credentials, "credentials.client_secret") if credentials else ""
        status, body = call(connection, _request(connection, b"[]", bearer), "settings.topic_url")
        if status in (401, 403):
            raise DestinationUnavailable(f"Access denied ({status}): {shortened(body)}", "credentials")
        if status not in SUCCESS and status != 400:
            text = f"The response has status {status}: {shortened(body)}"
            raise DestinationUnavailable(text, "settings.topic_url")
        return "The topic accepts the credentials."

    def client(self, connection: Connection) -> HttpsClient:
        return EventGridClient(connection)


class EventGridClient(HttpsClient):
    """Write arrays of events for one topic."""

    max_entries = MAX_ENTRIES
    max_bytes = MAX_BYTES
    max_response = 16 * 1024

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.token = azure.entra_credentials(connection, SCOPE)

    def size_of(self, message: Message) -> int:
        if not message.is_event and message.event is None:
            raise SendFailed(Failure.REFUSED, "The rendered body must be a CloudEvent: Event Grid accepts no other.")
        if len(message.body) > MAX_BYTES:
            text = f"The event has {len(message.body)} bytes; Event Grid accepts {MAX_BYTES}."
            raise SendFailed(Failure.TOO_LARGE, text)
        return len(message.body) + 1

    def compose(self, messages: Sequence[Message], now: float, bearer: str) -> HttpsRequest:
        return _request(self._connection, b"[" + b",".join(it.body for it in messages) + b"]", bearer)

    def verdicts(self, outcome: Outcome, messages: Sequence[Message]) -> Sequence[Outcome]:
        return api_responses.by_status(outcome, len(messages))


def _request(connection: Connection, body: bytes, bearer: str) -> HttpsRequest:
    parts = urlsplit(connection.settings["topic_url"])
    query = dict(parse_qsl(parts.query))
    url = parts._replace(query=urlencode({"api-version": API_VERSION, **query})).geturl()
    credentials = connection.credentials
    headers = {"content-type": CONTENT_TYPE}
    if key := credentials.get("access_key"):
        headers["aeg-sas-key"] = key
    elif token := credentials.get("sas_token"):
        headers["aeg-sas-token"] = token
    else:
        headers["authorization"] = f"Bearer {bearer}"
    return HttpsRequest(url, body, headers)
