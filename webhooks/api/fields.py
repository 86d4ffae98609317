"""Define the serializer fields of the receiver: paths into a message, media types, retry plans, handlers."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from webhooks.kit.jsonata.transformer import MAX_EXPRESSION
from webhooks.kit.rest.serializers import ListField, StorableJsonField, TextField
from webhooks.kit.results import RESULTS
from webhooks.processing.handler_registry import handler_paths, takes_steps
from webhooks.processing.running.retry_plan import MAX_TOTAL_WAIT, MAX_WAIT, MAX_WAITS
from webhooks.processing.steps.settings import (
    MAX_CONCURRENCY,
    MAX_RETRIES,
    MAX_SECONDS,
    MAX_URL,
    METHODS,
    InvalidSteps,
    check_steps,
)
from webhooks.senders.handshake import InvalidHandshake, read_rules
from webhooks.wire import media_types
from webhooks.wire.addresses.networks import compile_networks
from webhooks.wire.cloudevents.handshake import is_origin
from webhooks.wire.errors import unknown_member
from webhooks.wire.eventbridge import pattern_from_eventbridge
from webhooks.wire.patterns import InvalidPattern, Pattern

VALUE_PATH = re.compile(r"header:[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}|body:(/[^\0]*)?", re.DOTALL)
CONTENT_TYPE = re.compile(
    r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}(; ?[a-z]+=[A-Za-z0-9_.-]+)?"
)
OUTCOMES = ("duplicate", "failed", "rejected", "paused", "deleted")
MAX_RESPONSE_BODY = 4096  # characters
MAX_HANDLERS = 20  # per source
RESPONSE_MEMBERS = frozenset({"status", "body", "content_type"})
MEMBERS = frozenset({"handler", "pattern", "enrich", "transform", *RESULTS})  # of a handler
MAX_ORIGINS = 100  # per source
MAX_NETWORKS = 200  # per source


class ValuePathField(serializers.CharField):
    """A path into a message: ``header:Name``, ``body:/json/pointer`` (RFC 6901), or empty."""

    default_error_messages = {"path": "Must be header:Name or body:/json/pointer."}

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, allow_blank=True, max_length=256, **options)

    def to_internal_value(self, data: Any) -> str:
        path = super().to_internal_value(data)
        if path and not VALUE_PATH.fullmatch(path):
            self.fail("path")
        return path


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class MediaTypesField(serializers.Field[list[str], Any, Any, Any]):
    """Media types, stored in lower case."""

    default_error_messages = {"list": "Must be at most {most} media types such as application/json or text/*."}

    def to_representation(self, value: list[str]) -> list[str]:
        return value

    def to_internal_value(self, data: Any) -> list[str]:
        if (
            not isinstance(data, list)
            or len(data) > media_types.MAX_MEDIA_TYPES
            or not all(isinstance(item, str) for item in data)
        ):
            self.fail("list", most=media_types.MAX_MEDIA_TYPES)
        types = list(dict.fromkeys(item.strip().lower() for item in data))
        if not all(media_types.RANGE.fullmatch(item) for item in types):
            self.fail("list", most=media_types.MAX_MEDIA_TYPES)
        return types


class OriginsField(ListField):
    """DNS names of senders that may send after an OPTIONS request, or ``*``."""

    default_error_messages = {"origin": "{name!r} must be a DNS name or *."}

    def __init__(self, **options: Any) -> None:
        super().__init__(child=TextField(max_length=253), max_length=MAX_ORIGINS, **options)

    def to_internal_value(self, data: Any) -> list[str]:
        handler_paths: list[str] = super().to_internal_value(data)
        for name in handler_paths:
            if not is_origin(name):
                self.fail("origin", name=name)
        return handler_paths


class NetworksField(ListField):
    """Networks (CIDR) or addresses that messages may come from."""

    default_error_messages = {"network": "{problem}"}

    def __init__(self, **options: Any) -> None:
        super().__init__(child=TextField(max_length=64), max_length=MAX_NETWORKS, **options)

    def to_internal_value(self, data: Any) -> list[str]:
        networks: list[str] = super().to_internal_value(data)
        try:
            compile_networks(tuple(networks))
        except ValueError as error:
            self.fail("network", problem=f"Must be networks such as 192.0.2.0/24 or addresses: {error}")
        return networks


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class OptionsField(StorableJsonField):
    """Options of a scheme: an object of strings."""

    default_error_messages = {"object": "Must be an object of strings."}

    def to_internal_value(self, data: Any) -> dict[str, str]:
        value = super().to_internal_value(data)
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            self.fail("object")
        return value


@extend_schema_field(
    {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": MAX_WAIT},
        "maxItems": MAX_WAITS,
        "nullable": True,
    }
)
class RetryPlanField(serializers.Field[list[int], Any, Any, Any]):
    """Seconds to wait after each failure, or null for the default plan."""

    default_error_messages = {
        "list": "Must be an array of at most {most} integers from 1 to {longest} (seconds).",
        "long": "The sum of all waits must be at most {longest} seconds.",
    }

    def to_representation(self, value: list[int]) -> list[int]:
        return value

    def to_internal_value(self, data: Any) -> list[int]:
        if not isinstance(data, list) or len(data) > MAX_WAITS or not all(map(_is_wait, data)):
            self.fail("list", longest=MAX_WAIT, most=MAX_WAITS)
        if sum(data) > MAX_TOTAL_WAIT:
            self.fail("long", longest=MAX_TOTAL_WAIT)
        return data


@extend_schema_field({"type": "array", "items": {"type": "object", "additionalProperties": True}})
class HandshakeField(StorableJsonField):
    """The rules of a handshake."""

    default_error_messages = {"rules": "The handshake {problem}."}

    def to_internal_value(self, data: Any) -> list[dict[str, Any]]:
        rules: list[dict[str, Any]] = super().to_internal_value(data)
        try:
            read_rules(rules)
        except InvalidHandshake as error:
            self.fail("rules", problem=error)
        return rules


class ContentTypeField(TextField):
    """A media type with parameters, as in a header."""

    default_error_messages = {"content_type": "Must be a content type such as text/xml or text/plain; charset=utf-8."}

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=128, **options)

    def to_internal_value(self, data: Any) -> str:
        value: str = super().to_internal_value(data)
        if value and not CONTENT_TYPE.fullmatch(value):
            self.fail("content_type")
        return value


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {
            "x-component": ("OutcomeResponse", "The response to one outcome."),
            "type": "object",
            "properties": {
                "status": {"type": "integer", "minimum": 200, "maximum": 599, "description": "Status."},
                "body": {"type": "string", "maxLength": 4096, "description": "Body; empty by default."},
                "content_type": {"type": "string", "description": "Content type of the body."},
            },
            "additionalProperties": False,
        },
    }
)
class ResponsesField(StorableJsonField):
    """Responses by outcome: ``{"rejected": {"status": 403, "body": "", "content_type": ""}}``."""

    default_error_messages = {
        "outcomes": "Must be an object with some of the outcomes {outcomes}.",
        "response": "{outcome} must be an object with status (200 to 599), body (4,096 characters) and content_type.",
    }

    def to_internal_value(self, data: Any) -> dict[str, dict[str, Any]]:
        value = super().to_internal_value(data)
        if not isinstance(value, dict):
            self.fail("outcomes", outcomes=", ".join(OUTCOMES))
        refuse_unknown(value, OUTCOMES)
        for outcome, response in value.items():
            if isinstance(response, dict):
                refuse_unknown(response, RESPONSE_MEMBERS, outcome)
            if not _is_response(response):
                self.fail("response", outcome=outcome)
        return value


def _is_response(response: Any) -> bool:
    if not isinstance(response, dict):
        return False
    status, body, content_type = response.get("status", 200), response.get("body", ""), response.get("content_type", "")
    return (
        type(status) is int
        and 200 <= status <= 599
        and isinstance(body, str)
        and len(body) <= MAX_RESPONSE_BODY
        and isinstance(content_type, str)
        and (not content_type or CONTENT_TYPE.fullmatch(content_type) is not None)
    )


def _is_wait(seconds: Any) -> bool:
    return isinstance(seconds, int) and not isinstance(seconds, bool) and 1 <= seconds <= MAX_WAIT


@extend_schema_field(
    {
        "type": "array",
        "items": {
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
                "enrich": {
                    "x-component": ("SourceEnrichment", "An HTTP call whose answer stands beside the message."),
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
                },
                "transform": {
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
                },
            },
            "required": ["handler"],
            "additionalProperties": False,
        },
        "maxItems": MAX_HANDLERS,
    }
)
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
        choices = super().to_internal_value(data)
        if not isinstance(choices, list):
            self.fail("list")
        if len(choices) > MAX_HANDLERS:
            self.fail("many", most=MAX_HANDLERS)
        return [self._choice(place, choice) for place, choice in enumerate(choices)]

    def _choice(self, place: int, choice: Any) -> dict[str, Any]:
        if not isinstance(choice, dict):
            self.fail("list")
        refuse_unknown(choice, MEMBERS, str(place))
        if "handler" not in choice:
            raise ValidationError({str(place): {"handler": ["This field is required."]}}, code="required")
        name, pattern = choice["handler"], choice.get("pattern")
        if not isinstance(name, str) or name not in handler_paths():
            self.fail("unknown", name=name, names=", ".join(sorted(handler_paths())))
        if pattern is not None:
            self._check_pattern(name, pattern)
        self._check_steps(name, choice)
        for member in RESULTS:
            if not isinstance(choice.get(member, ""), str | None):
                self.fail("result", member=member, name=name)
        return {member: value for member, value in choice.items() if value is not None}

    def _check_pattern(self, name: str, pattern: Any) -> None:
        if not isinstance(pattern, dict):
            self.fail("list")
        try:
            Pattern(pattern_from_eventbridge(pattern))
        except InvalidPattern as error:
            self.fail("pattern", name=name, problem=error)

    def _check_steps(self, name: str, choice: dict[str, Any]) -> None:
        if choice.get("enrich") is None and choice.get("transform") is None:
            return
        if not takes_steps(name):
            self.fail("no_steps", name=name)
        try:
            check_steps(choice)
        except InvalidSteps as error:
            self.fail("steps", name=name, problem=error)


def refuse_unknown(given: Mapping[str, Any], known: Collection[str], *path: str) -> None:
    """Raise ValidationError for a member of an object at this path in the field, if it is not known."""
    name, reason = unknown_member(given, known)
    if reason:
        errors: Any = {name: [ErrorDetail(reason, "unknown")]}
        for step in reversed(path):
            errors = {step: errors}
        raise ValidationError(errors)
