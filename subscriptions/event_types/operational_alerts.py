"""Describe the messages about alerts: the two types of the platform's events that alert rules publish."""

from typing import Any

_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}
_COUNT = {"type": "integer", "minimum": 0}
_ALERT = {
    "type": "object",
    "properties": {
        "alert": {**_TEXT, "description": "Id of the alert (`alt_...`)."},
        "subject_type": {**_TEXT, "description": "Kind of the subject, such as `endpoint`."},
        "subject": {**_TEXT, "description": "Id or name of the subject."},
        "subject_name": {**_TEXT, "description": "The subject for people."},
        "about_tenant": {"type": ["string", "null"], "description": "Id of the tenant that it belongs to; null: none."},
        "since": {**_TIME, "description": "Since when the condition holds."},
        "resolved_at": {"type": ["string", "null"], "format": "date-time", "description": "When it ended; null: not."},
        "value": {"type": ["number", "null"], "description": "The figure that is compared; null: there is none."},
        "message": {**_TEXT, "description": "What is wrong, in a sentence."},
    },
    "required": ["alert", "subject_type", "subject", "subject_name", "since", "value", "message"],
    "additionalProperties": False,
}


def _alerts(occasions: list[str]) -> dict[str, Any]:
    """Return the schema of the data of a message about alerts."""
    return {
        "type": "object",
        "properties": {
            "rule": {**_TEXT, "description": "Id of the rule (`alr_...`); the event's `subject` as well."},
            "rule_name": {**_TEXT, "description": "Its name."},
            "condition": {**_TEXT, "description": "What it watches, such as `endpoint_failing`."},
            "severity": {"enum": ["critical", "warning", "info"], "description": "How urgent it is."},
            "occasion": {"enum": occasions, "description": "Why the message is sent."},
            "count": {**_COUNT, "description": "Alerts that the message is about."},
            "alerts": {"type": "array", "items": _ALERT, "description": "The first 20 of them."},
            "title": {**_TEXT, "description": "The message in one line."},
            "message": {**_TEXT, "description": "A line for each alert that is listed."},
        },
        "required": ["rule", "rule_name", "condition", "severity", "occasion", "count", "alerts", "title", "message"],
        "additionalProperties": False,
    }


_ALERT_EXAMPLE = {
    "rule": "alr_01m83t2ghzevcannga6my0tf3k",
    "rule_name": "An endpoint fails",
    "condition": "endpoint_failing",
    "severity": "critical",
    "count": 1,
}
_ALERT_OF_EXAMPLE = {
    "alert": "alt_01m83t2ghzevcannga6my0tf3k",
    "subject_type": "endpoint",
    "subject": "ep_01m83t2ghzevcannga6my0tf3k",
    "subject_name": "https://example.com/webhooks",
    "about_tenant": "tnt_01m83t2ghzevcannga6my0tf3k",
    "since": "2026-05-04T12:30:00+00:00",
    "value": 12.0,
}

ALERT_TYPES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "waypost.alert.firing": (
        "The condition of an alert rule begins to hold, or still holds (`reminder`), or the rule is tested.",
        _alerts(["firing", "reminder", "test"]),
        {
            **_ALERT_EXAMPLE,
            "occasion": "firing",
            "alerts": [
                {
                    **_ALERT_OF_EXAMPLE,
                    "resolved_at": None,
                    "message": "No attempt has succeeded for 10 min (12 failures in a row).",
                }
            ],
            "title": "Firing: An endpoint fails: https://example.com/webhooks",
            "message": "https://example.com/webhooks: No attempt has succeeded for 10 min (12 failures in a row).",
        },
    ),
    "waypost.alert.resolved": (
        "The condition of an alert rule holds no more, or the rule was switched off.",
        _alerts(["resolved"]),
        {
            **_ALERT_EXAMPLE,
            "occasion": "resolved",
            "alerts": [
                {
                    **_ALERT_OF_EXAMPLE,
                    "resolved_at": "2026-05-04T12:52:00+00:00",
                    "message": "Over. It lasted from 2026-05-04 12:30 to 2026-05-04 12:52 UTC.",
                }
            ],
            "title": "Resolved: An endpoint fails: https://example.com/webhooks",
            "message": "https://example.com/webhooks: Over. It lasted from 2026-05-04 12:30 to 2026-05-04 12:52 UTC.",
        },
    ),
}
"""By name: description, JSON Schema of the data, example of the data."""
