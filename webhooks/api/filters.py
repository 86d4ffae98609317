"""Declare the filters that the lists of receipts and rejections share.

Ids are UUIDv7, so a period is a range of ids.
"""

from django.db.models import Q

from webhooks.kit.rest.query_params import InstantFilter, QueryParams, TextFilter
from webhooks.models import Source
from webhooks.processing.receipts import first_id_at
from webhooks.sources.snapshot import by_id_or_uid


def _of_source(ref: str) -> Q:
    return Q(source__in=Source.objects.filter(by_id_or_uid(ref)).values("id"))


class SourceFilters(QueryParams):
    """Filter by source and by period: from ``since`` (included) to ``until`` (not included)."""

    source = TextFilter(where=_of_source)  # type: ignore[assignment]  # an attribute of REST framework's serializers
    since = InstantFilter(where=lambda moment: Q(id__gte=first_id_at(moment)))
    until = InstantFilter(where=lambda moment: Q(id__lt=first_id_at(moment)))
