"""Describe the events that the platform publishes about itself, for the catalogue and for generated documents.

They are no rows, since none of them is created, changed or deleted. A subscription receives them if it names their
type, or ``waypost.*``; the results of deliveries and receipts, and usage, only if it names the type.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from subscriptions.event_types.exact_json import to_json
from subscriptions.event_types.models import EventSchema, EventType
from subscriptions.event_types.operational_alerts import ALERT_TYPES
from subscriptions.event_types.operational_results import RESULT_TYPES

GROUP = "Waypost"
SINCE = datetime(2026, 1, 1, tzinfo=UTC)  # time of creation that is shown; none is recorded

_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}
_COUNT = {"type": "integer", "minimum": 0}
_TENANT = {
    "tenant": {
        **_TEXT,
        "description": "Id of the tenant (`tnt_...`). Only in the events of the platform's own tenant.",
    },
    "tenant_uid": {"type": ["string", "null"], "description": "Its `uid`, if it has one. Only there, too."},
}
_ENDPOINT = {
    "endpoint": {**_TEXT, "description": "Id of the endpoint (`ep_...`)."},
    "url": {**_TEXT, "description": "URL of the endpoint."},
}
_SOURCE = {
    "source": {**_TEXT, "description": "Id of the source (`src_...`)."},
    "source_uid": {"type": ["string", "null"], "description": "Its `uid`, if it has one."},
    "name": {**_TEXT, "description": "Name of the source."},
    "kind": {**_TEXT, "description": "Kind of the source, such as `kafka`."},
}
_MESSAGE = {"message": {**_TEXT, "description": "The same in a sentence for people."}}
_FAILURES = {
    "failing_since": {**_TIME, "description": "When the first of these attempts failed."},
    "failures": {**_COUNT, "description": "Failures in a row."},
    "failing_days": {**_COUNT, "description": "Failures that came a day or more after the one counted before."},
}
_EXAMPLE = {"endpoint": "ep_01m83t2ghzevcannga6my0tf3k", "url": "https://example.com/webhooks"}
_EXAMPLE_OF_SOURCE = {
    "source": "src_01m83t2ghzevcannga6my0tf3k",
    "source_uid": "orders",
    "name": "Orders",
    "kind": "postgres_outbox",
}
_REASONS = ["endangered", "unavailable", "position_lost"]


def _schema(properties: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**properties, **(optional or {}), **_TENANT},
        "required": list(properties),
        "additionalProperties": False,
    }


TYPES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    **ALERT_TYPES,
    "waypost.endpoint.failing": (
        "No attempt to the endpoint has succeeded for an hour; again after a day, on a third day, and then every seven "
        "days on which attempts fail.",
        _schema(
            {
                **_ENDPOINT,
                **_FAILURES,
                "warning": {"type": "integer", "minimum": 1, "description": "Number of this warning."},
                "disabled_at": {
                    "type": ["string", "null"],
                    "format": "date-time",
                    "description": "When the endpoint is disabled, at the earliest, if nothing succeeds; null: never.",
                },
                **_MESSAGE,
            }
        ),
        {
            **_EXAMPLE,
            "failing_since": "2026-05-04T12:30:00+00:00",
            "failures": 12,
            "failing_days": 0,
            "warning": 1,
            "disabled_at": "2026-05-09T12:30:00+00:00",
            "message": "No attempt has succeeded since 2026-05-04 12:30 UTC (12 failures in a row).",
        },
    ),
    "waypost.endpoint.disabled": (
        "The platform has disabled the endpoint: it responded 410 (`responded_410`), or attempts have failed on "
        "several days and its owner was warned (`failing`).",
        _schema(
            {
                **_ENDPOINT,
                "reason": {"enum": ["responded_410", "failing"], "description": "Why."},
                **_MESSAGE,
            },
            _FAILURES,
        ),
        {
            **_EXAMPLE,
            "reason": "failing",
            "failing_since": "2026-05-04T12:30:00+00:00",
            "failures": 42,
            "failing_days": 5,
            "message": "The endpoint is disabled, because no attempt has succeeded for days.",
        },
    ),
    "waypost.endpoint.rejecting": (
        "The endpoint works, and has rejected most deliveries of the last day with 3xx or 4xx. Nothing is paused. "
        "Again every week.",
        _schema(
            {
                **_ENDPOINT,
                "rejecting_since": {**_TIME, "description": "When this was first seen."},
                "rejected_percent": {
                    **_COUNT,
                    "maximum": 100,
                    "description": "Share of the attempts that it rejected.",
                },
                "rejected": {**_COUNT, "description": "Attempts it rejected in the last 24 hours."},
                "attempts": {**_COUNT, "description": "All attempts of that time."},
                "last_status": {"type": ["integer", "null"], "description": "HTTP status of the latest failure."},
                **_MESSAGE,
            }
        ),
        {
            **_EXAMPLE,
            "rejecting_since": "2026-05-04T12:30:00+00:00",
            "rejected_percent": 94,
            "rejected": 940,
            "attempts": 1000,
            "last_status": 422,
            "message": "The endpoint rejects 94 %: 940 of 1,000 attempts in the last 24 hours, the latest with 422.",
        },
    ),
    "waypost.endpoint.recovered": (
        "An endpoint that was reported as failing or rejecting accepts deliveries again.",
        _schema(
            {
                **_ENDPOINT,
                "from": {"enum": ["failing", "rejecting"], "description": "What had been reported."},
                **_MESSAGE,
            }
        ),
        {**_EXAMPLE, "from": "failing", "message": "The endpoint works again. What waited for it is being sent."},
    ),
    "waypost.source.failing": (
        "A source that is read cannot be read for five minutes (`unavailable`), has lost its position, so that records "
        "are missing (`position_lost`), or endangers the other system, such as a slot that holds back WAL "
        "(`endangered`). Once; again only for a more serious reason.",
        _schema(
            {
                **_SOURCE,
                "reason": {"enum": _REASONS, "description": "Why."},
                "partition": {**_TEXT, "description": "The partition; empty: the whole source."},
                "failing_since": {
                    "type": ["string", "null"],
                    "format": "date-time",
                    "description": "When the first attempt to read failed; null: reading works (`endangered`).",
                },
                "setting": {**_TEXT, "description": "The setting to correct, such as `settings.topic`; empty: none."},
                **_MESSAGE,
            }
        ),
        {
            **_EXAMPLE_OF_SOURCE,
            "reason": "unavailable",
            "partition": "",
            "failing_since": "2026-05-04T12:30:00+00:00",
            "setting": "credentials.password",
            "message": "The source cannot be read since 2026-05-04 12:30 UTC: The server refused the password.",
        },
    ),
    "waypost.source.recovered": (
        "All partitions of a source that was reported as failing are read again.",
        _schema({**_SOURCE, "from": {"enum": _REASONS, "description": "What had been reported last."}, **_MESSAGE}),
        {**_EXAMPLE_OF_SOURCE, "from": "unavailable", "message": "The source is read again."},
    ),
    "waypost.delivery.dead": (
        "A delivery was given up and is a dead letter, which can be replayed. Not published for deliveries of the "
        "platform's own events.",
        _schema(
            {
                "dead_letter": {**_TEXT, "description": "Id of the dead letter (`dl_...`)."},
                "delivery": {**_TEXT, "description": "Id of the delivery (`dlv_...`)."},
                "event": {**_TEXT, "description": "Id of the event (`evt_...`)."},
                "event_type": {**_TEXT, "description": "Type of the event."},
                "endpoint": _ENDPOINT["endpoint"],
                "cause": {**_TEXT, "description": "Why it was given up, such as `exhausted`."},
                "reason": {**_TEXT, "description": "Details of the cause; empty if there are none."},
                "attempts": {**_COUNT, "description": "Attempts made."},
                "last_status": {"type": ["integer", "null"], "description": "HTTP status of the last attempt."},
                "last_error": {**_TEXT, "description": "Class of the last failure, such as `timeout`."},
            }
        ),
        {
            "dead_letter": "dl_01m83t2ghzevcannga6my0tf3k",
            "delivery": "dlv_01m83t2ghzevcannga6my0tf3k",
            "event": "evt_01m83t2ghzevcannga6my0tf3k",
            "event_type": "order.paid",
            "endpoint": _EXAMPLE["endpoint"],
            "cause": "exhausted",
            "reason": "",
            "attempts": 10,
            "last_status": 503,
            "last_error": "status",
        },
    ),
    "waypost.usage.hour": (
        "What a tenant used in one full hour (UTC), for billing. Published once for each tenant and hour with any "
        "usage, half an hour after its end, to the platform's own tenant only. The event's id names tenant and hour.",
        _schema(
            {
                "begins_at": {**_TIME, "description": "Begin of the hour."},
                "ends_at": {**_TIME, "description": "End of the hour, excluded."},
                "events": {**_COUNT, "description": "Events accepted; repeats are not counted."},
                "deliveries": {**_COUNT, "description": "Deliveries created."},
                "attempts": {**_COUNT, "description": "Attempts that ended."},
                "delivered": {**_COUNT, "description": "Those of the attempts that delivered."},
                "received": {**_COUNT, "description": "Messages received from others; repeats are not counted."},
            }
        ),
        {
            "begins_at": "2026-05-04T12:00:00Z",
            "ends_at": "2026-05-04T13:00:00Z",
            "events": 1_200,
            "deliveries": 3_600,
            "attempts": 3_642,
            "delivered": 3_600,
            "received": 75,
            "tenant": "tnt_01m83t2ghzevcannga6my0tf3k",
            "tenant_uid": "acme",
        },
    ),
    **{name: (text, _schema(properties), example) for name, (text, properties, example) in RESULT_TYPES.items()},
}
"""By name: description, JSON Schema of the data, example of the data."""


def operational_types() -> list[EventType]:
    """Return the types of the platform's own events, as rows that are not stored."""
    return [_row(name, *described) for name, described in TYPES.items()]


def _row(name: str, description: str, schema: dict[str, Any], example: dict[str, Any]) -> EventType:
    row = EventType(
        id=uuid5(NAMESPACE_URL, f"urn:waypost:event-type:{name}"),  # the same everywhere, and after a restart
        name=name,
        description=description,
        group=GROUP,
        version=1,
        schema_check="off",
        examples_text=to_json([example]),
    )
    row.created_at = row.updated_at = SINCE
    stored = [EventSchema(event_type=row, version=1, text=to_json(schema))]
    row._prefetched_objects_cache = {"schemas": stored}  # type: ignore[attr-defined]  # read by schemas.all()
    return row
