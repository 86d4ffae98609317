"""Export event types as the webhooks of an OpenAPI 3.1 document, and as an AsyncAPI 3.0 document.

Both describe what is sent: a CloudEvent whose ``data`` matches the type's schema. The ``$defs`` of a schema move to the
root of the envelope's schema, since a ``$ref`` is resolved from the root.
"""

from collections.abc import Iterable
from typing import Any

from django.conf import settings

from subscriptions.event_types.models import EventType
from webhooks.wire.cloudevents.http_modes import STRUCTURED

TITLE = "Webhooks"
TEXT = {"type": "string"}
ATTRIBUTES = {
    "specversion": {"const": "1.0"},
    "id": {**TEXT, "minLength": 1, "description": "With the source, it identifies the event."},
    "source": {**TEXT, "format": "uri-reference", "minLength": 1},
    "time": {**TEXT, "format": "date-time"},
    "subject": TEXT,
    "datacontenttype": TEXT,
    "dataschema": {**TEXT, "format": "uri"},
}
REQUIRED = ["specversion", "id", "source", "type"]
HEADERS = {
    "webhook-id": "The same for every attempt to deliver one event: use it to ignore duplicates.",
    "webhook-timestamp": "Time of this attempt, in seconds since 1970.",
    "webhook-signature": "Standard Webhooks 1.0 signature: verify it before you read the body.",
}


def as_openapi(types: Iterable[EventType]) -> dict[str, Any]:
    """Return an OpenAPI 3.1 document with a webhook for each type."""
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": "1"},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "webhooks": {event_type.name: {"post": _operation(event_type)} for event_type in types},
    }


def as_asyncapi(types: Iterable[EventType]) -> dict[str, Any]:
    """Return an AsyncAPI 3.0 document with a message for each type, received over HTTP."""
    types = list(types)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": TITLE, "version": "1"},
        "defaultContentType": STRUCTURED,
        "channels": {
            "webhooks": {
                "address": None,
                "description": "Your endpoint, to which Waypost POSTs each message.",
                "messages": {it.name: {"$ref": f"#/components/messages/{it.name}"} for it in types},
                "bindings": {"http": {}},
            }
        },
        "operations": {
            "receiveWebhook": {
                "action": "receive",
                "channel": {"$ref": "#/channels/webhooks"},
                "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
            }
        },
        "components": {"messages": {it.name: _message(it) for it in types}},
    }


def sample_event(event_type: EventType, data: Any) -> dict[str, Any]:
    """Return an event with this data as it would be sent."""
    return {
        "specversion": "1.0",
        "id": "evt_01m83t2ghzevcannga6my0tf3k",
        "source": settings.PUBLIC_URL,
        "type": event_type.name,
        "time": "2026-01-31T12:00:00Z",
        "data": data,
    }


def _operation(event_type: EventType) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": _envelope(event_type)}
    if event_type.examples:
        samples = [sample_event(event_type, data) for data in event_type.examples]
        media["examples"] = {f"example{number}": {"value": sample} for number, sample in enumerate(samples, 1)}
    return {
        "operationId": event_type.name,
        **({"description": event_type.description} if event_type.description else {}),
        **({"tags": [event_type.group]} if event_type.group else {}),
        **({"deprecated": True} if event_type.deprecated else {}),
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": TEXT}
            for name, text in HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {STRUCTURED: media}},
        "responses": {"2XX": {"description": "The event was accepted."}},
    }


def _message(event_type: EventType) -> dict[str, Any]:
    samples = [{"payload": sample_event(event_type, data)} for data in event_type.examples]
    return {
        "name": event_type.name,
        "title": event_type.name,
        **({"summary": event_type.description} if event_type.description else {}),
        **({"tags": [{"name": event_type.group}]} if event_type.group else {}),
        "contentType": STRUCTURED,
        "headers": {
            "type": "object",
            "properties": {name: {**TEXT, "description": text} for name, text in HEADERS.items()},
            "required": list(HEADERS),
        },
        "payload": {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": _envelope(event_type)},
        **({"examples": samples} if samples else {}),
    }


def _envelope(event_type: EventType) -> dict[str, Any]:
    """Return the schema of the whole event."""
    schema = event_type.schema
    envelope: dict[str, Any] = {
        "type": "object",
        "properties": {**ATTRIBUTES, "type": {"const": event_type.name}},
        "required": [*REQUIRED],
    }
    if isinstance(schema, dict):
        data = {name: value for name, value in schema.items() if name not in ("$defs", "$schema", "$id")}
        envelope["properties"]["data"] = data
        envelope["required"].append("data")
        if "$defs" in schema:
            envelope["$defs"] = schema["$defs"]
    return envelope
