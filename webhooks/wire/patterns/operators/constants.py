"""Compile the operator ``exists``, and match the entries ``true``, ``false`` and ``null``."""

from dataclasses import dataclass
from typing import Any

from webhooks.wire.patterns.arguments import InvalidPattern, Predicate


@dataclass(frozen=True, slots=True)
class OneOfConstants:
    """Accept these of true, false and null. In Python ``True`` equals 1, in JSON it does not."""

    constants: frozenset[bool | None]

    def __call__(self, scalar: Any) -> bool:
        """Return whether the scalar is one of the constants."""
        return (scalar is None or isinstance(scalar, bool)) and scalar in self.constants


@dataclass(frozen=True, slots=True)
class Exists:
    """Accept every scalar."""

    def __call__(self, _: Any) -> bool:
        """Return true."""
        return True


EXISTS = Exists()


def exists(argument: Any, at: str) -> Predicate:
    """Compile ``{"exists": true}``, which every value matches; ``compile_field`` handles ``{"exists": false}``."""
    if argument is not True:
        raise InvalidPattern(at, "takes true or false")
    return EXISTS
