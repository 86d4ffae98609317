"""Declare the filters that the lists of receipts and rejections share.

Ids are UUIDv7, so a period is a range of ids.
"""

from contextlib import suppress

from django.db.models import Q

from webhooks.kit.rest.query_params import InstantFilter, QueryParams, TextFilter
from webhooks.models import Source
from webhooks.processing.receipts import first_id_at
from webhooks.wire.ids import parse


def _of_source(ref: str) -> Q:
    """Return the condition for a source: a uid names one that is not deleted, an id also one that is."""
    with suppress(ValueError):
        return Q(source=parse(Source.prefix, ref))
    return Q(source__in=Source.objects.filter(uid=ref.replace("\0", ""), deleted_at=None).values("id"))


class SourceFilters(QueryParams):
    """Filter by source and by period: from ``since`` (included) to ``until`` (not included)."""

    source = TextFilter(  # type: ignore[assignment]  # an attribute of REST framework's serializers
        where=_of_source, help_text="Id or `uid` of a source."
    )
    since = InstantFilter(
        where=lambda moment: Q(id__gte=first_id_at(moment)),
        help_text="Start of the period, included: `2030-01-31T12:00:00Z`.",
    )
    until = InstantFilter(where=lambda moment: Q(id__lt=first_id_at(moment)), help_text="End of the period, excluded.")
