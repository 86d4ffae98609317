"""Break metrics down by tenant, or by tenant and endpoint, where the setting WAYPOST_METRICS_BY says so.

Every value of a label is a time series in every process, so by default there are none, and their number is bounded:
what comes after the first MAX_VALUES counts as ``other``. The REST API has the figures of every endpoint, hour by hour.
"""

from uuid import UUID

from django.conf import settings

from webhooks.wire.ids import public

MAX_VALUES = 1_000  # of the labels in one process
OTHER = "other"
LABELS: dict[str, tuple[str, ...]] = {"none": (), "tenant": ("tenant",), "endpoint": ("tenant", "endpoint")}
PREFIXES = ("tnt", "ep")


class Breakdown:
    """The labels that break a metric down, and their values. ``names``: none by default."""

    def __init__(self, by: str) -> None:
        self.names = LABELS.get(by, ())
        self._known: dict[tuple[UUID, ...], tuple[str, ...]] = {}

    def values(self, *ids: UUID | None) -> tuple[str, ...]:
        """Return the values of the labels for these ids, a tenant's and an endpoint's; None: unknown."""
        if not self.names:
            return ()
        key = tuple(it for it in ids[: len(self.names)] if it is not None)
        known = self._known.get(key)
        if known is None:
            if len(key) < len(self.names) or len(self._known) >= MAX_VALUES:
                return (OTHER,) * len(self.names)
            known = self._known[key] = tuple(public(prefix, it) for prefix, it in zip(PREFIXES, key, strict=False))
        return known


breakdown = Breakdown(getattr(settings, "WAYPOST_METRICS_BY", "none"))
