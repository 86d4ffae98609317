"""Turn errors of the app into errors of the API; ``subscriptions.api.conventions`` renders them (RFC 9457)."""

from collections.abc import Callable
from typing import Any, ClassVar

from rest_framework.exceptions import APIException, ErrorDetail, ValidationError

from subscriptions.errors import AlreadyExists, Invalid, InvalidParts, LimitExceeded, StateConflict
from webhooks.kit.rest.errors import Conflict


class PlanExceeded(APIException):
    """Reject what the tenant's plan does not allow: 402; 429 for the publish rate; 413 for the size of an event.

    The problem names the ``limit``, what is ``allowed`` and ``used``, and when it is reset (``resets_at``, or null).
    """

    STATUSES: ClassVar[dict[str, tuple[int, str]]] = {
        "publish_rate": (429, "rate_limited"),
        "max_event_bytes": (413, "too_large"),
    }

    def __init__(self, exceeded: LimitExceeded) -> None:
        super().__init__(exceeded.message)
        self.status_code, self.default_code = self.STATUSES.get(exceeded.limit, (402, "plan_exceeded"))
        self.wait = exceeded.retry_after
        self.members = {
            "limit": exceeded.limit,
            "allowed": exceeded.allowed,
            "used": exceeded.used,
            "resets_at": exceeded.resets_at and exceeded.resets_at.isoformat().replace("+00:00", "Z"),
        }


def problem_of(error: Invalid) -> APIException:
    """Return the API error for an error of the app."""
    if isinstance(error, LimitExceeded):
        return PlanExceeded(error)
    if isinstance(error, InvalidParts):
        return ValidationError(_nested(error))
    kind = Conflict if isinstance(error, (AlreadyExists, StateConflict)) else ValidationError
    return kind({error.field: [_detail(error)]})


def check_field(check: Callable[..., None], *values: Any) -> None:
    """Run a check of ``subscriptions.validation`` while a field is validated; report its error as the field's."""
    try:
        check(*values)
    except Invalid as error:
        raise ValidationError(_detail(error)) from None


def _nested(error: InvalidParts) -> dict[str, Any]:
    """Return the messages in the form of a serializer's errors: those of members below their field."""
    errors: dict[str, Any] = {}
    for path, message in error.problems.items():
        field, _, member = path.partition(".")
        if not member or isinstance(errors.get(field), list):
            errors[field] = [message]
        else:
            errors.setdefault(field, {})[member] = [message]
    return errors


def _detail(error: Invalid) -> ErrorDetail:
    """Return the message; its code is the JSON pointer into the field's value, if there is one."""
    return ErrorDetail(error.message, error.pointer or "invalid")
