"""Read what the forms of the portal send into the bodies of operations, without checking it: the API does that."""

import re
import secrets
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _

from webhooks.wire.json_text import duplicate_key, parse_value

ALL_EVENTS = "*"
INTEGER = re.compile(r"-?[0-9]{1,18}")  # what a form may send as a number; a longer one is out of every range
MAX_DEPTH = 100  # levels of JSON in a field, beside those of the body that it is put into
WHOLE = "form"  # in place of a field, for errors that belong to none


class NotJson(ValueError):
    """A field that has to contain JSON does not, or JSON that is not safe to read; ``field`` is its name."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def new_key() -> str:
    """Return a key by which a form that is sent twice has its effect once."""
    return secrets.token_urlsafe(16)


def event_types(form: QueryDict) -> list[str]:
    """Return the chosen event types: those that were ticked, and those that were typed; ``*`` for all."""
    if form.get("which") == "all":
        return [ALL_EVENTS]
    typed = form.get("more_types", "").replace(",", " ").split()
    return list(dict.fromkeys([*form.getlist("event_types"), *typed]))


def json_field(form: QueryDict, name: str) -> Any:
    """Return the JSON value in a field; None if it is empty. Raises NotJson."""
    text = form.get(name, "").strip()
    if not text:
        return None
    try:
        value = parse_value(text.encode(), MAX_DEPTH)
    except ValueError:
        raise NotJson(name) from None
    if duplicate_key(text.encode()):
        raise NotJson(name)
    return value


def subscription(form: QueryDict) -> dict[str, Any]:
    """Return the subscription in a form. Raises NotJson."""
    pattern = json_field(form, "pattern") if form.get("filters") else None
    return {"event_types": event_types(form), "pattern": pattern}


def flattened(errors: dict[str, str]) -> dict[str, str]:
    """Return errors by the field of a form, which has one subscription where the body has a list."""
    found: dict[str, str] = {}
    for field, detail in errors.items():
        steps = [it for it in field.split(".") if not it.isdigit()]
        name = steps[1] if steps[:1] == ["subscriptions"] and len(steps) > 1 else steps[0] if steps else ""
        found.setdefault(name or WHOLE, _(detail) if detail else detail)
    return found


def by_field(errors: dict[str, str], fields: Mapping[str, str]) -> dict[str, str]:
    """Return errors by the field of a form that shows them; those that none does together, with their paths.

    ``fields``: names of fields, by the path in a body that each stands for, with all below it.
    """
    found: dict[str, str] = {}
    for path, detail in errors.items():
        name = next((field for prefix, field in fields.items() if f"{path}.".startswith(f"{prefix}.")), WHOLE)
        text = _(detail) if detail else detail
        shown = f"{path}: {text}" if path and name == WHOLE else text
        found[name] = f"{found[name]} {shown}" if name in found else shown
    return found


def not_json(error: NotJson) -> dict[str, str]:
    """Return the error of a field that contains no JSON."""
    return {error.field: _("This is not valid JSON.")}


def instant(text: str) -> str | None:
    """Return a time as the API reads it, None for none; a field for a time has no zone, and means UTC."""
    text = text.strip()
    if not text or text.endswith("Z") or "+" in text:
        return text or None
    return f"{text}:00Z" if len(text) == len("2030-01-31T12:00") else f"{text}Z"


def instant_field(text: str | None) -> str:
    """Return a time of the API as a field for a time in UTC shows it, to the second."""
    return (text or "")[: len("2030-01-31T12:00:00")]


def typed(kind: str, text: str) -> Any:
    """Return the value of a setting in its type; a text that is none is left as it is, and refused by the API."""
    match kind:
        case "boolean":
            return text == "on"
        case "texts":
            return text.split()
        case "number" | "object":
            try:
                return parse_value(text.encode(), MAX_DEPTH)
            except ValueError:
                return text
    return text


def number(request: HttpRequest, name: str) -> int | str | None:
    """Return the number in a field, None if it is empty, and its text if it is none, which the API refuses."""
    text = request.POST.get(name, "").strip()
    return int(text) if INTEGER.fullmatch(text) else text or None
