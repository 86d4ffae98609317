"""Describe invocation records: the four types of the platform's events that say how a delivery or receipt ended."""

from typing import Any

_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}
_COUNT = {"type": "integer", "minimum": 0}
_BYTES = {
    "text": {**_TEXT, "description": "As text, if it is UTF-8."},
    "base64": {**_TEXT, "description": "As base64, if it is not."},
}
_OF_DELIVERY: dict[str, Any] = {
    "delivery": {**_TEXT, "description": "Id of the delivery (`dlv_...`)."},
    "endpoint": {**_TEXT, "description": "Id of its endpoint (`ep_...`)."},
    "event": {**_TEXT, "description": "Id of the event (`evt_...`)."},
    "event_id": {**_TEXT, "description": "The event's own id, which deliveries have as `webhook-id`."},
    "event_source": {**_TEXT, "description": "Source of the event."},
    "event_type": {**_TEXT, "description": "Type of the event."},
    "condition": {
        **_TEXT,
        "description": "Why it has ended: `delivered`, `cancelled`, or the cause of its dead letter, such as "
        "`exhausted` or `expired`.",
    },
    "reason": {**_TEXT, "description": "Details of the condition; empty if there are none."},
    "attempts": {**_COUNT, "description": "Attempts made; 0 if it ended without any."},
    "status": {"type": ["integer", "null"], "description": "HTTP status of the last attempt."},
    "error": {**_TEXT, "description": "Class of the last failure, such as `timeout`; empty if there is none."},
    "response": {
        "type": ["object", "null"],
        "properties": _BYTES,
        "additionalProperties": False,
        "description": "The first 16 KiB of the response to the last attempt; null: none is recorded.",
    },
    "created_at": {**_TIME, "description": "When the delivery was created."},
    "ended_at": {**_TIME, "description": "When it ended."},
    "original": {
        "type": ["object", "null"],
        "description": "The event, a CloudEvent, if it has at most 64 KiB; null: read it at `original_url`.",
    },
    "original_url": {**_TEXT, "description": "Where the event can be read with an API key."},
}
_OF_RECEIPT: dict[str, Any] = {
    "receipt": {**_TEXT, "description": "Id of the receipt (`rcp_...`)."},
    "source": {**_TEXT, "description": "Id of its source (`src_...`)."},
    "message_id": {**_TEXT, "description": "The sender's id of the message."},
    "event_type": {**_TEXT, "description": "Event type of the message; empty if it has none."},
    "handlers": {"type": "array", "items": _TEXT, "description": "Names of the handlers that have finished."},
    "condition": {
        **_TEXT,
        "description": "Why it has ended: `processed`, `skipped` (out of order), or the cause for which it was given "
        "up, such as `exhausted`.",
    },
    "attempts": {**_COUNT, "description": "Runs of the handlers."},
    "error": {**_TEXT, "description": "Error of the last run; empty if there is none."},
    "traceback": {"type": ["string", "null"], "description": "Last lines of its traceback; null: none."},
    "received_at": {**_TIME, "description": "When the message was received."},
    "ended_at": {**_TIME, "description": "When its handlers ended."},
    "original": {
        "type": ["object", "null"],
        "properties": {
            "content_type": {**_TEXT, "description": "Content type of the message."},
            "json": {"description": "Its body, if that is JSON."},
            **_BYTES,
        },
        "additionalProperties": False,
        "description": "The message, if it has at most 64 KiB and is not compressed; null: read it at `original_url`.",
    },
    "original_url": {**_TEXT, "description": "Where the receipt can be read with an API key."},
}
_DELIVERY = {
    "delivery": "dlv_01m83t2ghzevcannga6my0tf3k",
    "endpoint": "ep_01m83t2ghzevcannga6my0tf3k",
    "event": "evt_01m83t2ghzevcannga6my0tf3k",
    "event_id": "order-1-paid",
    "event_source": "/orders",
    "event_type": "order.paid",
    "condition": "delivered",
    "reason": "",
    "attempts": 1,
    "status": 200,
    "error": "",
    "response": {"text": '{"accepted": 7}'},
    "created_at": "2026-05-04T12:30:00+00:00",
    "ended_at": "2026-05-04T12:30:01+00:00",
    "original": {
        "specversion": "1.0",
        "id": "order-1-paid",
        "source": "/orders",
        "type": "order.paid",
        "data": {"number": 1},
    },
    "original_url": "https://waypost.example.com/api/v1/events/evt_01m83t2ghzevcannga6my0tf3k/",
}
_RECEIPT = {
    "receipt": "rcp_01m83t2ghzevcannga6my0tf3k",
    "source": "src_01m83t2ghzevcannga6my0tf3k",
    "message_id": "msg_1",
    "event_type": "invoice.paid",
    "handlers": ["publish"],
    "condition": "processed",
    "attempts": 1,
    "error": "",
    "traceback": None,
    "received_at": "2026-05-04T12:30:00+00:00",
    "ended_at": "2026-05-04T12:30:01+00:00",
    "original": {"content_type": "application/json", "json": {"invoice": 7}},
    "original_url": "https://waypost.example.com/api/v1/receipts/rcp_01m83t2ghzevcannga6my0tf3k/",
}
_EXACTLY = "There is one for each, so a subscription has to name this type exactly; none for the platform's events."

RESULT_TYPES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "waypost.delivery.succeeded": (f"A delivery succeeded. {_EXACTLY}", _OF_DELIVERY, _DELIVERY),
    "waypost.delivery.failed": (
        f"A delivery ended without success, with attempts or without: it is dead or cancelled. {_EXACTLY}",
        _OF_DELIVERY,
        {**_DELIVERY, "condition": "exhausted", "attempts": 10, "status": 503, "error": "status", "response": None},
    ),
    "waypost.receipt.processed": (f"The handlers of a receipt succeeded. {_EXACTLY}", _OF_RECEIPT, _RECEIPT),
    "waypost.receipt.failed": (
        f"A receipt was given up. {_EXACTLY}",
        _OF_RECEIPT,
        {
            **_RECEIPT,
            "handlers": [],
            "condition": "exhausted",
            "attempts": 9,
            "error": "publish: ValueError: no such invoice",
            "traceback": "Traceback (most recent call last):\nValueError: no such invoice\n",
        },
    ),
}
"""By name: description, properties of the data, of which all are required, example of the data."""
