"""Define the fields of what a sender gets in response to its message."""

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field

from webhooks.api.fields.members import refuse_unknown
from webhooks.kit.rest.fields.json_values import StorableJsonField
from webhooks.kit.rest.fields.scalars import TextField

CONTENT_TYPE = re.compile(
    r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}(; ?[a-z]+=[A-Za-z0-9_.-]+)?"
)
OUTCOMES = ("duplicate", "failed", "rejected", "paused", "deleted")
MAX_RESPONSE_BODY = 4096  # characters
RESPONSE_MEMBERS = frozenset({"status", "body", "content_type"})


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
