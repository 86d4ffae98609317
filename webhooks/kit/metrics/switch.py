"""Switch all metrics off where the setting WAYPOST_METRICS is off: then no process counts for Prometheus.

What is defined with ``GatheredCounter`` and ``GatheredHistogram`` does nothing then. A function that has work to do
before it counts is left out as a whole by ``only_if_on``.
"""

from collections.abc import Callable
from typing import Any, ParamSpec

from django.conf import settings

ARE_ON: bool = getattr(settings, "WAYPOST_METRICS", True)  # in this process, from its start to its end

Arguments = ParamSpec("Arguments")


def only_if_on(count: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Return this function, or one that does nothing where the metrics are off."""
    return count if ARE_ON else _ignore


def _ignore(*_arguments: Any, **_named: Any) -> None:
    """Do nothing."""
