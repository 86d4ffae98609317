"""Event types for the tools of others: as the webhooks of an OpenAPI 3.1 document, and as AsyncAPI 3.0.

Both describe what is sent: a CloudEvent whose ``data`` is as the type's schema says. Definitions of a schema move up to
its top, for a ``$ref`` counts from the top of the schema it stands in.
"""

from collections.abc import Iterable
from typing import Any

from django.conf import settings

from subscriptions.event_types.models import EventType

__all__ = ["as_asyncapi", "as_openapi", "sample_event"]

CLOUDEVENT = "application/cloudevents+json"
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
    "webhook-id": "The same for every attempt at one event: deduplicate by it.",
    "webhook-timestamp": "When this attempt was made, in seconds since 1970.",
    "webhook-signature": "Standard Webhooks 1.0: verify it before you read the body.",
}


def as_openapi(types: Iterable[EventType]) -> dict[str, Any]:
    """An OpenAPI 3.1 document with a webhook for each type."""
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": "1"},
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "webhooks": {it.name: {"post": _operation(it)} for it in types},
    }


def as_asyncapi(types: Iterable[EventType]) -> dict[str, Any]:
    """An AsyncAPI 3.0 document with a message for each type, received over HTTP."""
    types = list(types)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": TITLE, "version": "1"},
        "defaultContentType": CLOUDEVENT,
        "channels": {
            "webhooks": {
                "address": None,
                "description": "An endpoint of yours: Waypost POSTs each message there.",
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


def _operation(it: EventType) -> dict[str, Any]:
    media = {"schema": _envelope(it)}
    if it.examples:
        shown = {f"example{place}": {"value": sample_event(it, data)} for place, data in enumerate(it.examples, 1)}
        media["examples"] = shown
    return {
        "operationId": it.name,
        **({"description": it.description} if it.description else {}),
        **({"tags": [it.group]} if it.group else {}),
        **({"deprecated": True} if it.deprecated else {}),
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": TEXT}
            for name, text in HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {CLOUDEVENT: media}},
        "responses": {"2XX": {"description": "It was taken."}},
    }


def _message(it: EventType) -> dict[str, Any]:
    return {
        "name": it.name,
        "title": it.name,
        **({"summary": it.description} if it.description else {}),
        **({"tags": [{"name": it.group}]} if it.group else {}),
        "contentType": CLOUDEVENT,
        "headers": {
            "type": "object",
            "properties": {name: {**TEXT, "description": text} for name, text in HEADERS.items()},
            "required": list(HEADERS),
        },
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": _envelope(it),
        },
        **({"examples": [{"payload": sample_event(it, data)} for data in it.examples]} if it.examples else {}),
    }


def _envelope(it: EventType) -> dict[str, Any]:
    """The schema of the whole event."""
    schema = it.schema
    envelope: dict[str, Any] = {
        "type": "object",
        "properties": {**ATTRIBUTES, "type": {"const": it.name}},
        "required": [*REQUIRED],
    }
    if isinstance(schema, dict):
        data = {name: value for name, value in schema.items() if name not in ("$defs", "$schema", "$id")}
        envelope["properties"]["data"] = data
        envelope["required"].append("data")
        if "$defs" in schema:
            envelope["$defs"] = schema["$defs"]
    return envelope


def sample_event(it: EventType, data: Any) -> dict[str, Any]:
    """An example of the data as the event that is sent."""
    return {
        "specversion": "1.0",
        "id": "evt_01m83t2ghzevcannga6my0tf3k",
        "source": settings.PUBLIC_URL,
        "type": it.name,
        "time": "2026-01-31T12:00:00Z",
        "data": data,
    }
