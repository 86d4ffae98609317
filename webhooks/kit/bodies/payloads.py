"""Hide payloads in responses to callers whose role may not see them.

A view names the fields that hold payloads in ``payload_fields``, as paths from a row: ``attempts.response``. A hidden
text says that it is hidden; a hidden list or object is empty, so that the form of the response is the same.
"""

from collections.abc import Collection
from typing import Any

from rest_framework.request import Request

HIDDEN = "Hidden: the role of this API key may not see payloads."


def may_see_payloads(request: Request, app: str) -> bool:
    """Return whether the caller may see the payloads of an app; one without a role may."""
    may: Any = getattr(request.auth, "may", None)
    return may is None or bool(may(f"{app}.view_payload"))


def hide_payloads(content: Any, paths: Collection[str]) -> None:
    """Hide the fields at these paths of a row, or of each row of a page."""
    is_page = isinstance(content, dict) and isinstance(content.get("data"), list)
    for path in paths:
        _hide(content["data"] if is_page else content, path.split("."))


def _hide(content: Any, steps: list[str]) -> None:
    if isinstance(content, list):
        for each in content:
            _hide(each, steps)
    elif isinstance(content, dict) and steps[0] in content:
        if steps[1:]:
            _hide(content[steps[0]], steps[1:])
        else:
            content[steps[0]] = _hidden(content[steps[0]])


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return HIDDEN if value else value
    return [] if isinstance(value, list) else {} if isinstance(value, dict) else None
