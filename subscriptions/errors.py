"""Why a verb of the management side says no; every refusal names the field it is about.

    ValueError
      Refused            what was given cannot be used
        Taken            somebody has it already: a conflict
        NotNow           right in itself, but not in the state things are in: a conflict

Doors turn these into their own kind of answer: REST into a problem with a field, a form into a field's error.
"""

__all__ = ["NotNow", "Refused", "Taken"]


class Refused(ValueError):
    """`field` is what the caller knows it by; `message` is a sentence for that caller and tells no secret."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message

    def __str__(self) -> str:
        return self.message


class Taken(Refused):
    """Another row has this value already."""


class NotNow(Refused):
    """The change does not fit the state things are in."""
