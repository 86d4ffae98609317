"""Declare the filters that the lists of receipts and rejections share."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from rest_framework.exceptions import ValidationError

from webhooks.kit.rest.labels import LabelsFilter
from webhooks.kit.rest.list_filters import PeriodFilters
from webhooks.kit.rest.lookup import UID_NEEDS_TENANT
from webhooks.kit.rest.query_params import TextFilter
from webhooks.models import Source
from webhooks.wire.ids import parse


class SourceFilter(TextFilter):
    """Filter by a source: a uid names one that is not deleted, an id also one that is."""

    def to_internal_value(self, data: Any) -> Any:
        ref = super().to_internal_value(data)
        tenant_id = self.context["view"].tenant_id()
        sources = Source.objects.all() if tenant_id is None else Source.objects.filter(tenant_id=tenant_id)
        with suppress(ValueError):
            return self._existing(sources.filter(pk=parse(Source.prefix, ref)))
        named = sources.filter(uid=ref.replace("\0", ""), deleted_at=None)
        if tenant_id is None:
            named = named.filter(tenant_id=None)
            if not named.exists():
                raise ValidationError(UID_NEEDS_TENANT, code="required")
        return self._existing(named)

    def _existing(self, sources: QuerySet[Source]) -> list[UUID]:
        """Return the keys of these sources. Raises ValidationError if there are none."""
        keys = list(sources.values_list("pk", flat=True))
        if not keys:
            raise ValidationError("No source with this id.", code="unknown")
        return keys

    def condition(self, value: Any) -> Q:
        """Return the condition for the keys of sources."""
        return Q(source__in=value)


class OfSourceFilters(PeriodFilters):
    """Filter what sources have received: by source, and by its labels."""

    source = SourceFilter(  # type: ignore[assignment]  # an attribute of REST framework's serializers
        help_text="Id or `uid` of a source."
    )
    labels = LabelsFilter(
        where="source__labels", unindexed=True, help_text="Labels that the source has, all of them: `env:prod`."
    )
