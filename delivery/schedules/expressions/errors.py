"""The error of an expression or a time zone that cannot be read."""


class InvalidExpression(ValueError):
    """An expression is wrong. The message names the part that is, and says what to give instead."""


class UnknownZone(ValueError):
    """A time zone has no entry in the IANA database."""
