"""Hide payloads in responses to callers whose role may not see them, and have each look at one recorded.

A view names the fields that hold payloads, or texts that may quote one, in ``payload_fields``, as paths from a row:
``attempts.response``. ``reason?cause=transformation_failed`` is such a field only where another member of the same
object has this value. A hidden text says that it is hidden; a hidden list or object is empty, so that the form of the
response is the same. What a look is, and which are counted only, is in ``webhooks.audit.looks``.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Model
from django.utils.module_loading import import_string
from rest_framework.request import Request

RECORD_LOOK = "webhooks.audit.looks.record_caller_look"  # room above: wired by name
HIDDEN = "Hidden: the role of this API key may not see payloads."


@dataclass(frozen=True, slots=True)
class Look:
    """Describe a response that shows payloads.

    ``row``: what the payload belongs to, if it is one row; ``ids``: the public ids of a list's rows that show one.
    """

    object_type: str
    row: Model | None = None
    ids: Sequence[str] = ()
    tenant_id: UUID | None = None
    """Tenant of the rows of a list; None: they may be of several."""


def record_look(request: Request, look: Look) -> None:
    """Record that the response to a caller shows payloads."""
    import_string(RECORD_LOOK)(request._request, request.auth, look)


def record_look_at(request: Request, row: Model) -> None:
    """Record that the response to a caller shows the payload of this row."""
    record_look(request, Look(str(row._meta.model_name), row))


def may_see_payloads(request: Request, app: str) -> bool:
    """Return whether the caller may see the payloads of an app; one without a role may."""
    may: Any = getattr(request.auth, "may", None)
    return may is None or bool(may(f"{app}.view_payload"))


def hide_payloads(content: Any, paths: Collection[str]) -> None:
    """Hide the fields at these paths of a row, or of each row of a page."""
    for path in map(_parse, paths):
        _hide(_rows(content), path.steps, path)


def with_payloads(content: Any, paths: Iterable[str]) -> list[Any]:
    """Return the rows of a page, or the one row, that have anything at these paths."""
    rows, parsed = _rows(content), list(map(_parse, paths))
    return [
        row for row in (rows if isinstance(rows, list) else [rows]) if any(_has(row, it.steps, it) for it in parsed)
    ]


class _Path(NamedTuple):
    """The names that lead to a field, and what another member of its object has to be; no member: anything."""

    steps: Sequence[str]
    member: str
    value: str

    def is_met_by(self, holder: Mapping[str, Any]) -> bool:
        """Return whether the field of this object holds a payload."""
        return not self.member or holder.get(self.member) == self.value


def _parse(path: str) -> _Path:
    names, _, condition = path.partition("?")
    member, _, value = condition.partition("=")
    return _Path(names.split("."), member, value)


def _rows(content: Any) -> Any:
    is_page = isinstance(content, dict) and isinstance(content.get("data"), list)
    return content["data"] if is_page else content


def _has(content: Any, steps: Sequence[str], path: _Path) -> bool:
    if isinstance(content, list):
        return any(_has(each, steps, path) for each in content)
    if not isinstance(content, dict):
        return False
    value = content.get(steps[0])
    return _has(value, steps[1:], path) if steps[1:] else bool(value) and path.is_met_by(content)


def _hide(content: Any, steps: Sequence[str], path: _Path) -> None:
    if isinstance(content, list):
        for each in content:
            _hide(each, steps, path)
    elif isinstance(content, dict) and steps[0] in content:
        if steps[1:]:
            _hide(content[steps[0]], steps[1:], path)
        elif path.is_met_by(content):
            content[steps[0]] = _hidden(content[steps[0]])


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return HIDDEN if value else value
    return [] if isinstance(value, list) else {} if isinstance(value, dict) else None
