"""Define the field of a source's handlers, with the messages that each handles and the steps before it."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError

from webhooks.api.fields.members import refuse_unknown
from webhooks.kit.jsonata.transformer import MAX_EXPRESSION
from webhooks.kit.rest.fields.json_values import StorableJsonField, without_nulls
from webhooks.kit.results import RESULTS
from webhooks.processing.handler_registry import handler_paths, takes_steps
from webhooks.processing.steps.settings import (
    MAX_CONCURRENCY,
    MAX_RETRIES,
    MAX_SECONDS,
    MAX_URL,
    METHODS,
    InvalidSteps,
    check_steps,
)
from webhooks.wire.eventbridge import pattern_from_eventbridge
from webhooks.wire.patterns import InvalidPattern, Pattern

MAX_HANDLERS = 20  # per source
STEPS = ("enrich", "transform")
MEMBERS = frozenset({"handler", "pattern", *STEPS, *RESULTS})  # of a handler
ENRICH_SCHEMA = {
    "x-component": ("SourceEnrichment", "An HTTP call whose response is added to the message."),
    "type": ["object", "null"],
    "description": "HTTP call that enriches the message, for the handler `publish`; null: none.",
    "properties": {
        "url": {
            "type": "string",
            "maxLength": MAX_URL,
            "description": "URL; paths such as `<$.body.id>` behind the host are filled in, encoded.",
        },
        "method": {
            "x-component": ("SourceEnrichmentMethod", "Method of the call."),
            "type": "string",
            "enum": list(METHODS),
            "default": "POST",
            "description": "Method; a GET has no body.",
        },
        "headers": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Headers; `<credentials.token>` stands for the source's credential `token`.",
        },
        "body": {
            "type": ["string", "null"],
            "description": "Template of the body; null: the event as JSON.",
        },
        "jsonata": {
            "type": ["string", "null"],
            "maxLength": MAX_EXPRESSION,
            "description": "JSONata expression of the body, in place of a template: "
            '`{"customer": body.customer, "skus": body.lines.sku}`.',
        },
        "timeout_seconds": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_SECONDS,
            "default": 5,
            "description": "Deadline of the call with its retries, in seconds.",
        },
        "retries": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_RETRIES,
            "default": 2,
            "description": "Retries within the deadline; then those of the source's `retry_plan`.",
        },
        "max_concurrency": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_CONCURRENCY,
            "default": 8,
            "description": "Calls in progress at once, in each worker process.",
        },
    },
    "required": ["url"],
    "additionalProperties": False,
}
TRANSFORM_SCHEMA = {
    "x-component": ("SourceTransform", "The data of the published event, made from the message."),
    "type": ["object", "null"],
    "description": "What is published instead, for the handler `publish`; null: the message.",
    "properties": {
        "template": {
            "type": "string",
            "description": 'Template of the data: `{"id": <$.body.id>, "name": <$.enrichment.name>}`.',
        },
        "jsonata": {
            "type": "string",
            "maxLength": MAX_EXPRESSION,
            "description": "JSONata expression of the data, in place of a template: "
            '`{"id": body.id, "name": enrichment.name}`.',
        },
        "input_paths": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Names of paths, which the template may use as `<name>`.",
        },
        "type": {
            "type": "string",
            "maxLength": 256,
            "description": "Type of the published event; empty: that of the message.",
        },
    },
    "additionalProperties": False,
}
HANDLER_SCHEMA = {
    "x-component": ("SourceHandler", "A handler of a source, and the messages that it handles."),
    "type": "object",
    "properties": {
        "handler": {"type": "string", "description": "Name of a registered handler."},
        "pattern": {
            "type": ["object", "null"],
            "additionalProperties": True,
            "description": "Event pattern of the messages it handles; null: all.",
        },
        "on_success": {
            "type": ["string", "null"],
            "description": "Endpoint of the tenant, by id or `uid`, that gets an invocation record of each "
            "receipt that the handler processed; null: none.",
        },
        "on_failure": {
            "type": ["string", "null"],
            "description": "Endpoint of the tenant, by id or `uid`, that gets an invocation record of each "
            "receipt for it that was given up; null: none.",
        },
        "enrich": ENRICH_SCHEMA,
        "transform": TRANSFORM_SCHEMA,
    },
    "required": ["handler"],
    "additionalProperties": False,
}


@extend_schema_field({"type": "array", "items": HANDLER_SCHEMA, "maxItems": MAX_HANDLERS})
class HandlersField(StorableJsonField):
    """A list of ``{"handler": name, "pattern": {...}}``; without a pattern the handler gets every message.

    ``publish`` may also have the steps ``enrich`` and ``transform``.
    """

    default_error_messages = {
        "list": "Must be an array of objects with a handler and optionally a pattern.",
        "many": "Must be at most {most} handlers.",
        "unknown": "Unknown handler {name!r}; must be one of {names}.",
        "pattern": "Invalid pattern of {name}: {problem}",
        "steps": "Invalid steps of {name}: {problem}",
        "result": "{member} of {name} must be the id or the uid of an endpoint.",
        "no_steps": "{name} takes no steps; enrich and transform are for publish.",
    }

    def to_internal_value(self, data: Any) -> list[dict[str, Any]]:
        handlers = super().to_internal_value(data)
        if not isinstance(handlers, list):
            self.fail("list")
        if len(handlers) > MAX_HANDLERS:
            self.fail("many", most=MAX_HANDLERS)
        return [self._checked(index, handler) for index, handler in enumerate(handlers)]

    def _checked(self, index: int, handler: Any) -> dict[str, Any]:
        """Return a handler without its members that are null. Raises ValidationError, which names its index."""
        if not isinstance(handler, dict):
            self.fail("list")
        refuse_unknown(handler, MEMBERS, str(index))
        if "handler" not in handler:
            raise ValidationError({str(index): {"handler": ["This field is required."]}}, code="required")
        name, pattern = handler["handler"], handler.get("pattern")
        if not isinstance(name, str) or name not in handler_paths():
            self.fail("unknown", name=name, names=", ".join(sorted(handler_paths())))
        if pattern is not None:
            self._check_pattern(name, pattern)
        self._check_steps(name, handler)
        for member in RESULTS:
            if not isinstance(handler.get(member, ""), str | None):
                self.fail("result", member=member, name=name)
        return {
            name: without_nulls(value) if name in STEPS else value for name, value in without_nulls(handler).items()
        }

    def _check_pattern(self, name: str, pattern: Any) -> None:
        if not isinstance(pattern, dict):
            self.fail("list")
        try:
            Pattern(pattern_from_eventbridge(pattern))
        except InvalidPattern as error:
            self.fail("pattern", name=name, problem=error)

    def _check_steps(self, name: str, handler: dict[str, Any]) -> None:
        if handler.get("enrich") is None and handler.get("transform") is None:
            return
        if not takes_steps(name):
            self.fail("no_steps", name=name)
        try:
            check_steps(handler)
        except InvalidSteps as error:
            self.fail("steps", name=name, problem=error)
