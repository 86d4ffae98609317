"""Filter the lists of receipts and rejections; each filter walks an index from the newest row down.

Ids are UUIDv7, so a time range is a range of ids.
"""

from datetime import datetime
from typing import Any

import django_filters
from django.db.models import Model, QuerySet

from webhooks.models import Receipt, Rejection, Source
from webhooks.processing.receipts import by_message_id, first_id_at
from webhooks.sources.snapshot import by_id_or_uid
from webhooks.sources.source_stats import STATES

BOOLEANS = ("true", "false", "True", "False", "1", "0")


class SourceTimeFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Filter by ``source`` (id or uid), ``since`` (inclusive) and ``until`` (exclusive); reject empty values."""

    source = django_filters.CharFilter(method="of_source")
    since = django_filters.IsoDateTimeFilter(method="from_moment")
    until = django_filters.IsoDateTimeFilter(method="to_moment")

    def is_valid(self) -> bool:
        for name, one in self.filters.items():
            given = self.data.get(name)
            if given == "":
                self.form.add_error(name, "Must not be empty; leave it out instead.")
            elif given is not None and isinstance(one, django_filters.BooleanFilter) and given not in BOOLEANS:
                self.form.add_error(name, "Must be true or false.")
        return bool(super().is_valid())

    def of_source(self, rows: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        return rows.filter(source__in=Source.objects.filter(by_id_or_uid(value)).values("id"))

    def from_moment(self, rows: QuerySet[Any], _name: str, value: datetime) -> QuerySet[Any]:
        return rows.filter(id__gte=first_id_at(value))

    def to_moment(self, rows: QuerySet[Any], _name: str, value: datetime) -> QuerySet[Any]:
        return rows.filter(id__lt=first_id_at(value))


class ReceiptFilter(SourceTimeFilter):
    state = django_filters.ChoiceFilter(choices=[(name, name) for name in STATES], method="in_state")
    event_type = django_filters.CharFilter()
    message_id = django_filters.CharFilter(method="with_message_id")
    cause = django_filters.ChoiceFilter(choices=Receipt.Cause.choices)
    out_of_order = django_filters.BooleanFilter()
    skipped = django_filters.BooleanFilter()

    class Meta:
        model: type[Model] = Receipt
        fields: list[str] = []

    def with_message_id(self, rows: QuerySet[Receipt], _name: str, value: str) -> QuerySet[Receipt]:
        return rows.filter(by_message_id(value))

    def in_state(self, rows: QuerySet[Receipt], _name: str, value: str) -> QuerySet[Receipt]:
        return rows.filter(STATES[value])


class RejectionFilter(SourceTimeFilter):
    reason = django_filters.CharFilter()

    class Meta:
        model: type[Model] = Rejection
        fields: list[str] = []
