"""Outline a pattern: what an index needs to know of it without its compiled form."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from webhooks.wire.patterns.branches import FieldPath, PatternBranch
from webhooks.wire.patterns.fields import FieldMatcher

MAX_INDEXED_BRANCHES = 32  # of one pattern; a pattern with more cannot be indexed
MAX_INDEXED_VALUES = 64  # of one field; a field with more is not used by an index
MAX_KEY_VALUES = 256  # of all these fields of one pattern; a pattern with more cannot be indexed

IndexKey = tuple[FieldPath, tuple[Any, ...]]
"""A field and the only values that it accepts."""


class PatternOutline(NamedTuple):
    """The fields by which each branch can be indexed, and the number of branches.

    ``keys`` is empty if the pattern cannot be indexed: it has too many branches or values, or a branch without such a
    field.
    """

    keys: tuple[tuple[IndexKey, ...], ...]
    branches: int


def outline(branches: Sequence[PatternBranch]) -> PatternOutline:
    """Outline a pattern with these branches."""
    keys: list[tuple[IndexKey, ...]] = []
    if len(branches) <= MAX_INDEXED_BRANCHES:
        keys = [tuple((path, values) for path, it in branch.items() if (values := _exact(it))) for branch in branches]
    is_small = sum(len(values) for each in keys for _, values in each) <= MAX_KEY_VALUES
    return PatternOutline(tuple(keys) if all(keys) and is_small else (), len(branches))


def _exact(matcher: FieldMatcher) -> tuple[Any, ...]:
    """Return the only values that a field accepts; empty if it accepts others too, or too many."""
    if matcher.predicates or matcher.accepts_absent or len(matcher.values) > MAX_INDEXED_VALUES:
        return ()
    return (*matcher.strings, *matcher.numbers, *matcher.constants)
