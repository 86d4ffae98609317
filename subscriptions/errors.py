"""Define the errors that functions of this app raise for a caller's mistake; each names the field at fault.

    ValueError
      Invalid              the value cannot be used                         REST: 400
        InvalidParts       members of one field or more cannot be used
        AlreadyExists      another row has this value                       409
        StateConflict      valid, but not in the current state              409
        LimitExceeded      more than the tenant's plan allows               402, 413 or 429

REST turns them into a problem (RFC 9457) with a field, a form into a field error.
"""

from collections.abc import Mapping
from datetime import datetime

from webhooks.kit.rows import UID_IN_USE


class Invalid(ValueError):
    """Signal a value that cannot be used. ``message`` is for the caller and reveals no secret.

    ``pointer`` is a JSON pointer (RFC 6901) into the value of ``field``; empty: the whole value.
    """

    def __init__(self, field: str, message: str, pointer: str = "") -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message
        self.pointer = pointer

    def __str__(self) -> str:
        return self.message


class InvalidParts(Invalid):
    """Signal members that cannot be used; ``problems`` has a message for each, by ``field.member`` or ``field``."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        path, message = next(iter(problems.items()))
        field, _, member = path.partition(".")
        super().__init__(field, message, f"/{member}" if member else "")
        self.problems = dict(problems)


class AlreadyExists(Invalid):
    """Signal a value that another row has."""


class StateConflict(Invalid):
    """Signal a change that the current state does not allow."""


class LimitExceeded(Invalid):
    """Signal a plan limit that is exceeded. ``limit`` is the plan's field; ``allowed`` and ``used`` are in its unit.

    ``resets_at`` is when capacity returns by itself, ``retry_after`` the same in seconds from now; None: never.
    """

    def __init__(
        self,
        limit: str,
        message: str,
        *,
        allowed: int,
        used: int,
        resets_at: datetime | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(limit, message)
        self.limit = limit
        self.allowed = allowed
        self.used = used
        self.resets_at = resets_at
        self.retry_after = retry_after


def uid_in_use() -> AlreadyExists:
    """Return the error for a uid that another row has."""
    return AlreadyExists("uid", UID_IN_USE)
