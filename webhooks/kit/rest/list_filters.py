"""Declare the filters that lists of different resources have in common, under the same names.

Ids are UUIDv7, so a period is a range of ids, which every list is read by.
"""

from collections.abc import Callable

from django.db.models import Q

from webhooks.kit.rest.labels import LabelsFilter
from webhooks.kit.rest.query_params import InstantFilter, QueryParams, TextFilter
from webhooks.wire.ids import first_id_at


class PeriodFilters(QueryParams):
    """Filter by the time of creation: from ``since`` (included) to ``until`` (not included)."""

    since = InstantFilter(
        where=lambda moment: Q(id__gte=first_id_at(moment)),
        help_text="Start of the period, included: `2030-01-31T12:00:00Z`.",
    )
    until = InstantFilter(where=lambda moment: Q(id__lt=first_id_at(moment)), help_text="End of the period, excluded.")


class ConfiguredFilters(PeriodFilters):
    """Filter what a tenant has set up, endpoints or sources, by its names and labels."""

    uid = TextFilter(max_length=256, help_text="Your own id, exact.")
    labels = LabelsFilter(help_text="Labels that it has, all of them: `env:prod,region:eu`.")


def contains(*columns: str) -> Callable[[str], Q]:
    """Return the condition that one of the columns contains a text, ignoring case."""

    def condition(text: str) -> Q:
        matched = Q()
        for column in columns:
            matched |= Q(**{f"{column}__icontains": text})
        return matched

    return condition
