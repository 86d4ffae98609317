"""Send the events of an HTTP endpoint in batches: one signed POST request with a JSON array of them.

CloudEvents HTTP binding 1.0.2, section 3.3: ``application/cloudevents-batch+json``. If a transformer has rendered
something else, the array has that, a text as a JSON string, and the content type is ``application/json``.

A 2xx response settles all events; its body may name those that failed, which are then retried, in one of two forms:

    {"failed": ["evt_...", ...]}                                     or objects with an ``id``
    {"batchItemFailures": [{"itemIdentifier": "evt_..."}, ...]}      the form of AWS Lambda

Each is named by its ``webhook-id`` or by the ``id`` of the CloudEvent. ``webhook-id`` of the request is a digest of its
events, so that a repeat of the same events has the same.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import orjson

from delivery.transports.http.responses import refused_by
from delivery.transports.https.kind import HttpsClient, HttpsRequest
from delivery.transports.message import ID, SIGNATURE, TIMESTAMP, Message
from delivery.transports.outcome import Failure, Outcome
from subscriptions.routing.targets import DeliveryTarget
from webhooks.wire.cloudevents.http_modes import BATCH
from webhooks.wire.header_values import read_curl_line
from webhooks.wire.transform.template import is_json_text

JSON = "application/json"
MAX_NAMED = 1_000  # failed events that a response may name


class HttpBatchClient(HttpsClient):
    """Write and read the batches of one HTTP endpoint."""

    max_entries = 500
    max_response = 64 * 1024

    def __init__(self, target: DeliveryTarget) -> None:
        if target.http is None or target.signer is None:
            raise LookupError("endpoint without HTTP settings or secret")
        self._http, self._signer = target.http, target.signer
        self.token = target.http.oauth
        self.admits = target.http.admits
        self.may_send = target.http.headers is not None and target.http.body_member is None
        pairs = map(read_curl_line, target.http.headers or ())
        self._headers = {name.lower(): value for name, value in pairs if value is not None}

    def compose(self, messages: Sequence[Message], now: float, bearer: str) -> HttpsRequest:
        """Return the request with these events."""
        is_events = all(it.is_event or it.event is not None for it in messages)
        body = b"[" + b",".join(map(_item, messages)) + b"]"
        message_id, timestamp = batch_id(messages), int(now)
        headers = {
            ID: message_id,
            TIMESTAMP: str(timestamp),
            SIGNATURE: self._signer.sign(message_id, timestamp, body),
            "content-type": BATCH if is_events else JSON,
            "accept-encoding": "identity",
            **self._headers,
        }
        if bearer:
            headers["authorization"] = f"Bearer {bearer}"
        if (aws := self._http.aws_signer) is not None:
            signed = {name: it for name, it in headers.items() if name.startswith(("webhook-", "content-type"))}
            headers |= aws.sign(signed, body, now)
        return HttpsRequest(self._http.url, body, headers, tls=self._http.tls)

    def verdicts(self, outcome: Outcome, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Return the outcome of each event: failed, if the request failed or a 2xx response names it."""
        if outcome.delivered and self._http.failure_pattern is not None:
            outcome = refused_by(self._http.failure_pattern, outcome)
        named = failed_ids(outcome.response) if outcome.delivered else frozenset[str]()
        if not named:
            return [outcome] * len(messages)
        failed = outcome._replace(failure=Failure.REFUSED, rejected=True)
        return [failed if _is_named(it, named) else outcome for it in messages]


def batch_id(messages: Sequence[Message]) -> str:
    """Return the id of a request: that of its event, or a digest of several."""
    if len(messages) == 1:
        return messages[0].id
    return f"bat_{sha256(','.join(it.id for it in messages).encode()).hexdigest()[:32]}"


def failed_ids(response: bytes) -> frozenset[str]:
    """Return the ids that a response names as failed; empty if it names none, or is something else."""
    try:
        document: Any = orjson.loads(response)
    except orjson.JSONDecodeError:
        return frozenset()
    if not isinstance(document, dict):
        return frozenset()
    listed = document.get("failed") or document.get("batchItemFailures")
    if not isinstance(listed, list):
        return frozenset()
    ids = [it.get("id") or it.get("itemIdentifier") if isinstance(it, dict) else it for it in listed[:MAX_NAMED]]
    return frozenset(it for it in ids if isinstance(it, str))


def _is_named(message: Message, named: frozenset[str]) -> bool:
    return message.id in named or message.event_attributes.get("id") in named


def _item(message: Message) -> bytes:
    if message.is_event or is_json_text(message.body.decode("utf-8", "replace")):
        return message.body
    return orjson.dumps(message.body.decode("utf-8", "replace"))
