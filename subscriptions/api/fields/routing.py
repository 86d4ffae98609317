"""Define the fields of a subscription that decide what is sent: event types, pattern, transformer."""

from typing import Any

from drf_spectacular.utils import extend_schema_field

from subscriptions import validation
from subscriptions.api.problems import check_field
from webhooks.kit.jsonata.transformer import MAX_EXPRESSION
from webhooks.kit.rest.fields.json_values import ListField, StorableJsonField, without_nulls
from webhooks.kit.rest.fields.scalars import TextField
from webhooks.wire.json_numbers import find_changed_by_doubles
from webhooks.wire.transform.texts import MAX_LENGTH

STRING_SCHEMA = {"type": "string"}
PATTERN_SCHEMA = {
    "x-component": (
        "EventPattern",
        "Event pattern: the fields of an event, each with the values and conditions it may match.",
    ),
    "type": "object",
    "additionalProperties": True,
    "nullable": True,
}
TRANSFORMER_SCHEMA = {
    "x-component": ("EventTransformer", "How the body to send is made of an event."),
    "type": "object",
    "properties": {
        "input_paths": {
            "type": "object",
            "additionalProperties": STRING_SCHEMA,
            "description": 'Values of the event to use, as JSON paths by name: `{"number": "$.data.number"}`.',
        },
        "texts": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "template": {
                        "type": "string",
                        "description": "Text with `<$.path>` and `<name>` of input paths; any other `<...>` stays.",
                    },
                    "max_length": {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": MAX_LENGTH,
                        "description": "UTF-16 units to which the text is cut; the cut one ends with an ellipsis.",
                    },
                    "escape": {
                        "type": "string",
                        "enum": ["html"],
                        "description": "`html`: write `&`, `<` and `>` of values as entities.",
                    },
                    "one_line": {
                        "type": "boolean",
                        "description": "Whether line breaks become spaces. Default: false.",
                    },
                },
                "required": ["template"],
                "additionalProperties": False,
            },
            "description": "Texts to use in the template by name, cut to a length: "
            '`{"title": {"template": "Order <$.subject>", "max_length": 255}}`. At most 20.',
        },
        "template": {"type": "string", "description": "Body to send; `<number>` stands for the value of that name."},
        "jsonata": {
            "type": "string",
            "maxLength": MAX_EXPRESSION,
            "description": "JSONata expression of the body, in place of a template: "
            '`{"number": data.number, "total": $sum(data.lines.price)}`.',
        },
        "content_type": {
            "type": "string",
            "description": "Content type of the body, such as `text/csv; charset=utf-8`. Default: that of a "
            "CloudEvent, of JSON, or of plain text, as the body is.",
        },
    },
    "additionalProperties": False,
    "nullable": True,
}
EVENT_TYPES_SCHEMA = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": validation.MAX_EVENT_TYPE},
    "minItems": 1,
    "maxItems": validation.MAX_EVENT_TYPES,
}


@extend_schema_field(EVENT_TYPES_SCHEMA)
class EventTypesField(ListField):
    """Accept a list of exact event types, prefixes such as ``order.*``, or ``*``; drop duplicates."""

    child = TextField()

    def to_internal_value(self, data: Any) -> list[str]:
        event_types = super().to_internal_value(data)
        check_field(validation.check_event_types, event_types)
        return list(dict.fromkeys(event_types))


@extend_schema_field(PATTERN_SCHEMA)
class PatternField(StorableJsonField):
    """Accept an event pattern; reject one that does not compile, or with a number that would be stored as another."""

    default_error_messages = {"digits": "{number} would be stored as {stored}; give a number of up to 15 digits."}

    def to_internal_value(self, data: Any) -> Any:
        number = find_changed_by_doubles(data)
        if number is not None:
            self.fail("digits", number=number.text[:40], stored=float(number))
        pattern = super().to_internal_value(data)
        check_field(validation.check_pattern, pattern)
        return pattern


@extend_schema_field(PATTERN_SCHEMA)
class FailurePatternField(StorableJsonField):
    """Accept a pattern of responses, and reject one that does not compile."""

    def to_internal_value(self, data: Any) -> Any:
        pattern = super().to_internal_value(data)
        check_field(validation.check_failure_pattern, pattern)
        return pattern


@extend_schema_field(TRANSFORMER_SCHEMA)
class TransformerField(StorableJsonField):
    """Accept a transformer, and reject one that does not compile."""

    def to_internal_value(self, data: Any) -> Any:
        transformer = super().to_internal_value(data)
        check_field(validation.check_transformer, transformer)
        if "texts" in transformer:
            texts = {name: without_nulls(text) for name, text in transformer["texts"].items()}
            return {**transformer, "texts": texts}
        return transformer
