"""Refuse members of an object that a field does not know."""

from collections.abc import Collection, Mapping
from typing import Any

from rest_framework.exceptions import ErrorDetail, ValidationError

from webhooks.wire.errors import unknown_member


def refuse_unknown(given: Mapping[str, Any], known: Collection[str], *path: str) -> None:
    """Raise ValidationError for a member of an object at this path in the field, if it is not known."""
    name, reason = unknown_member(given, known)
    if reason:
        errors: Any = {name: [ErrorDetail(reason, "unknown")]}
        for step in reversed(path):
            errors = {step: errors}
        raise ValidationError(errors)
