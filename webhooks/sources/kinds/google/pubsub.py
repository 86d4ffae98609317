"""Pull the messages of a subscription of Google Cloud Pub/Sub.

https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions. Each message has a deadline, before which
it must be acknowledged or is delivered again; it is set, when messages are pulled, to more than the time of a lease,
after which nothing that a reader fetched is stored. Messages that were not stored are given back at once.
"""

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from webhooks.kit.kinds.setting import url_problem
from webhooks.outgoing.service_account import key_problem, read_key
from webhooks.sources.kinds.google.access_tokens import SETTING as KEY
from webhooks.sources.kinds.google.access_tokens import access_token
from webhooks.sources.kinds.http_calls import Busy, NoResponse, TooLarge, response_of, start_request
from webhooks.sources.kinds.kind import (
    Connection,
    InvalidSettings,
    Kind,
    Lag,
    Position,
    Reader,
    Record,
    Sample,
    SeekTarget,
    Setting,
    SourceUnavailable,
)
from webhooks.sources.kinds.record_headers import record_headers

URL = "https://pubsub.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/pubsub"
CONSUME = "pubsub.subscriptions.consume"
CALL_SECONDS = 5.0
PULL_SECONDS = 2.0  # beyond the time that a fetch waits, until an empty pull is given up
ACK_SECONDS = 90  # longer than a lease
ACK_TRIES = 2
MAX_RESPONSE = 32 * 1024**2  # bytes; a message has up to 10 MB before it is written in base64
OLDEST = timedelta(days=31)  # that messages are retained at most

_NAME = re.compile(r"projects/([^/]+)/subscriptions/([A-Za-z][A-Za-z0-9._~+%-]{2,254})")
_SHORT = re.compile(r"[A-Za-z][A-Za-z0-9._~+%-]{2,254}")


class Subscription:
    """Call the API of one subscription."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.name = full_name(connection)
        self._url = (connection.settings.get("endpoint_url") or URL).rstrip("/") + "/v1/" + self.name

    def call(
        self, action: str, request: Mapping[str, Any] | None, timeout: float | None = None, method: str = "POST"
    ) -> dict[str, Any]:
        """Call an action, such as ``:pull``; return the response. Raises SourceUnavailable.

        ``timeout``: in seconds; CALL_SECONDS if None.
        """
        headers = {"content-type": "application/json"}
        if text := self._connection.credentials.get("service_account"):
            headers["authorization"] = f"Bearer {access_token(self._connection, text, SCOPE)}"
        body = None if request is None else orjson.dumps(request)
        future = start_request(
            self._connection,
            self._url + action,
            headers,
            body,
            timeout=CALL_SECONDS if timeout is None else timeout,
            max_response=MAX_RESPONSE,
            method=method,
        )
        response = response_of(future, "settings.endpoint_url")
        try:
            document: Any = orjson.loads(response.body)
        except ValueError:
            document = None
        found = document if isinstance(document, dict) else None
        if response.status != 200:
            raise _error(response.status, (found or {}).get("error"))
        if found is None:
            raise SourceUnavailable("The service responded with something other than JSON.", "settings.endpoint_url")
        return found


class PubSubReader:
    """Pull messages, and acknowledge them when they are stored."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._most = 1000  # messages of one pull; fewer when they are large
        self._unacknowledged: list[str] = []
        self._lag = Lag()

    def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        found = self._pulled(min(limit, self._most), wait)
        records = [_record(it) for it in found if isinstance(it, dict)]
        handles = [record.handle for record in records]
        if handles:
            self._unacknowledged += handles
            deadline = {"ackIds": handles, "ackDeadlineSeconds": ACK_SECONDS}
            self._subscription.call(":modifyAckDeadline", deadline)
        times = [record.time for record in records if record.time is not None]
        age = (datetime.now(UTC) - min(times)).total_seconds() if times else None
        self._lag = Lag(seconds=age) if records else Lag(0, 0.0)
        return records

    def _pulled(self, number: int, wait: float) -> Sequence[Any]:
        """Return messages; none if there was no response in time, which is how the service waits."""
        request: dict[str, Any] = {"maxMessages": number}
        if not wait:
            request["returnImmediately"] = True
        try:
            found = self._subscription.call(":pull", request, wait + (PULL_SECONDS if wait else CALL_SECONDS))
        except Busy:
            return []
        except NoResponse:
            if wait:
                return []
            raise
        except TooLarge:
            if number == 1:
                raise
            self._most = max(1, number // 8)
            return self._pulled(self._most, wait)
        return found.get("receivedMessages") or []

    def acknowledge(self, records: Sequence[Record]) -> None:
        handles = [record.handle for record in records if record.handle]
        self._unacknowledged = []
        for attempt in range(ACK_TRIES):
            try:
                self._subscription.call(":acknowledge", {"ackIds": handles})
            except SourceUnavailable:
                if attempt == ACK_TRIES - 1:
                    raise
            else:
                return

    def lag(self) -> Lag:
        return self._lag

    def close(self) -> None:
        """Give messages that were not stored back at once."""
        handles, self._unacknowledged = self._unacknowledged, []
        if handles:
            self._subscription.call(":modifyAckDeadline", {"ackIds": handles, "ackDeadlineSeconds": 0})


class PubSub(Kind):
    """Messages of a Pub/Sub subscription."""

    name = "pubsub"
    label = "Google Cloud Pub/Sub"
    description = (
        "Each message of a subscription is received once: it is stored, then acknowledged, and a message that is "
        "delivered again is a duplicate by its message ID."
    )
    settings = (
        Setting(
            "subscription",
            "Subscription",
            "Full name of a pull subscription, or its ID, if it is in the project of the service account.",
            is_required=True,
            names_place=True,
            example="projects/my-project/subscriptions/orders",
        ),
        Setting(
            "endpoint_url",
            "Endpoint",
            "URL of a regional endpoint, or of a compatible service; empty: https://pubsub.googleapis.com.",
            names_place=True,
            example="https://europe-north1-pubsub.googleapis.com",
        ),
        Setting(
            "service_account",
            "Service account key",
            "JSON key of a service account with the role Pub/Sub Subscriber on the subscription; needed except with an "
            "endpoint of your own.",
            max_length=16_384,
            is_credential=True,
        ),
    )

    def check(self, connection: Connection) -> None:
        text, url = connection.credentials.get("service_account"), connection.settings.get("endpoint_url")
        problems = url_problem(url, "settings.endpoint_url") if url else {}
        if problem := key_problem(text, is_required=not url):
            problems[KEY] = problem
        else:
            try:
                full_name(connection)
            except ValueError as error:
                problems["settings.subscription"] = str(error)
        if problems:
            raise InvalidSettings(problems)

    def test(self, connection: Connection) -> Sample:
        subscription = Subscription(connection)
        allowed = subscription.call(":testIamPermissions", {"permissions": [CONSUME]}).get("permissions") or []
        if CONSUME not in allowed:
            text = "The subscription does not exist, or the service account lacks the role Pub/Sub Subscriber on it."
            raise SourceUnavailable(text, "settings.subscription")
        return Sample(f"Found the subscription {subscription.name}. No message was pulled, because that delivers it.")

    def seek(self, connection: Connection, partition: str, to: SeekTarget) -> Position:
        """Seek in the subscription itself: all its readers go on there."""
        now = datetime.now(UTC)
        time = {"earliest": now - OLDEST, "latest": now}[to] if isinstance(to, str) else to.astimezone(UTC)
        Subscription(connection).call(":seek", {"time": time.isoformat().replace("+00:00", "Z")})
        return None

    def open(self, connection: Connection, partition: str, position: Position) -> Reader:
        return PubSubReader(Subscription(connection))

    def remove(self, connection: Connection) -> None:
        """Remove nothing: the subscription was not made for the source."""


def full_name(connection: Connection) -> str:
    """Return the full name of the subscription. Raises ValueError with a sentence."""
    name = connection.settings["subscription"]
    if _NAME.fullmatch(name):
        return str(name)
    text = connection.credentials.get("service_account")
    project = read_key(text).project if text else ""
    if not _SHORT.fullmatch(name) or not project:
        raise ValueError("Must be the full name of a subscription, such as projects/my-project/subscriptions/orders.")
    return f"projects/{project}/subscriptions/{name}"


def _error(status: int, error: Any) -> SourceUnavailable:
    message = str(error.get("message") or "")[:300] if isinstance(error, dict) else ""
    text = f"The service responded with status {status}{': ' if message else '.'}{message}"
    if status == 429:
        return Busy(text)
    settings = {401: KEY, 403: KEY, 404: "settings.subscription"}
    return SourceUnavailable(text, settings.get(status, ""))


def _record(received: Mapping[str, Any]) -> Record:
    message = received.get("message") or {}
    attributes = message.get("attributes") or {}
    attempt = received.get("deliveryAttempt")
    own = {"gcp-pubsub-delivery-attempt": attempt, "gcp-pubsub-ordering-key": message.get("orderingKey")}
    headers = record_headers(attributes.items() if isinstance(attributes, dict) else (), own)
    problem, body = "", str(message.get("data") or "").encode("utf-8", "surrogatepass")
    try:
        body = b64decode(body, validate=True)
    except ValueError:
        problem = "The data of the message is not base64."
    return Record(
        id=str(message.get("messageId") or ""),
        body=body,
        headers=headers,
        content_type=headers.get("content-type", ""),
        time=_time(message.get("publishTime")),
        order_key=str(message.get("orderingKey") or ""),
        problem=problem,
        handle=str(received.get("ackId") or ""),
    )


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return time if time is not None and time.tzinfo is not None else None
