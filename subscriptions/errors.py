"""Why a verb of the management side says no; every refusal names the field it is about.

    ValueError
      Refused            what was given cannot be used
        Taken            somebody has it already: a conflict
        NotNow           right in itself, but not in the state things are in: a conflict
        Stale            it was changed since the caller read it
        Exceeded         more than the tenant's plan allows

Doors turn these into their own kind of answer: REST into a problem with a field, a form into a field's error.
"""

from datetime import datetime

__all__ = ["AlreadyExists", "Invalid", "LimitExceeded", "Stale", "StateConflict"]


class Invalid(ValueError):
    """`field` is what the caller knows it by; `message` is a sentence for that caller and tells no secret.

    `place` is a JSON pointer (RFC 6901) into the field's value, where that is a document of its own."""

    def __init__(self, field: str, message: str, place: str = "") -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message
        self.place = place

    def __str__(self) -> str:
        return self.message


class AlreadyExists(Invalid):
    """Another row has this value already."""


class StateConflict(Invalid):
    """The change does not fit the state things are in."""


class Stale(Invalid):
    """The row is not what the caller has seen."""


class LimitExceeded(Invalid):
    """More than the tenant's plan allows. ``limit`` is the plan's field; ``allowed`` and ``used`` are in its unit.

    ``resets_at`` says when there is room again without anybody's doing, ``retry_after`` the same in seconds from now;
    both empty: only less use or another plan makes room.
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
