"""Collect the conditions of all installed apps, which alert rules name."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from webhooks.kit.conditions.condition import Condition

_conditions: dict[str, Condition] = {}
CONDITIONS: Mapping[str, Condition] = MappingProxyType(_conditions)
"""By name, in the order in which they are shown."""


def register(conditions: Iterable[Condition]) -> None:
    """Add the conditions of an app. Called when Django is set up."""
    for it in conditions:
        _conditions[it.name] = it
