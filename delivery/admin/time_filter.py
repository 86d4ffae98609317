"""Filter a list by a range of time, in UTC."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypeVar

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_date, parse_time

from delivery.reading import queries
from webhooks.kit.admin.filters import TimeFields

M = TypeVar("M", bound=Model)

DAY = timedelta(days=1)
LAST_DAY = datetime(9999, 12, 31, tzinfo=UTC)


class TimeRangeFilter(TimeFields):  # type: ignore[misc]
    """Filter from one time to another, both in UTC. A day without a time of day is the whole day."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        name = "time" if self.parameter_name == "created_at" else str(self.field.verbose_name)
        self.title = f"{name} (UTC)"

    def queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> QuerySet[M]:
        since, until = self.read(self.used_parameters, self.parameter_name)
        if not self.is_readable(self.used_parameters, self.parameter_name):
            messages.error(request, "The time of the filter cannot be read; give days as 2030-01-31, times as 13:30.")
            return queryset.none()
        return queries.within(queryset, self.parameter_name, since, until)

    @classmethod
    def is_readable(cls, params: Mapping[str, Any], name: str) -> bool:
        """Return whether each end that was given could be read; an unreadable one would show everything."""
        ends = zip(("from", "to"), cls.read(params, name), strict=True)
        given = {end: any(params.get(f"{name}_{end}_{part}") for part in (0, 1)) for end in ("from", "to")}
        return all(moment is not None or not given[end] for end, moment in ends)

    @staticmethod
    def read(params: Mapping[str, Any], name: str) -> tuple[datetime | None, datetime | None]:
        """Return start and end (exclusive) of the range in a list's query; None for an end that cannot be read."""
        since, _ = _moment(params.get(f"{name}_from_0"), params.get(f"{name}_from_1"))
        until, is_whole_day = _moment(params.get(f"{name}_to_0"), params.get(f"{name}_to_1"))
        if until and is_whole_day:
            until = until + DAY if until < LAST_DAY else datetime.max.replace(tzinfo=UTC)
        return since, until


def _moment(day: str | None, clock: str | None) -> tuple[datetime | None, bool]:
    """Return the time, and whether it is a day without a time of day."""
    try:
        date, at = parse_date(day or ""), parse_time(clock or "")
    except ValueError:
        return None, False
    return (datetime.combine(date, at or time.min, UTC) if date else None), at is None
