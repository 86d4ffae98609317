"""Read what the forms of the portal send into the bodies of operations, without checking it: the API does that."""

import secrets
from typing import Any

import orjson
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _

ALL_EVENTS = "*"


class NotJson(ValueError):
    """A field that has to contain JSON does not; ``field`` is its name."""

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
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise NotJson(name) from None


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
        found.setdefault(name, _(detail) if detail else detail)
    return found


def not_json(error: NotJson) -> dict[str, str]:
    """Return the error of a field that contains no JSON."""
    return {error.field: _("This is not valid JSON.")}


def number(request: HttpRequest, name: str) -> int | str | None:
    """Return the number in a field, None if it is empty, and its text if it is none, which the API refuses."""
    text = request.POST.get(name, "").strip()
    return None if not text else int(text) if text.lstrip("-").isdigit() else text
