"""Define the fields of filters: rows named by id or uid, event types, statuses, values at indexed paths."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from delivery.api.publishing.event_refs import find_event
from delivery.models import Schedule
from delivery.publishing.known_types import objection
from delivery.reading import queries
from delivery.reading.finding.events import events_with_value
from delivery.reading.known_schedules import may_have_published
from delivery.reading.known_sources import source_objection
from subscriptions.api.authentication import require_permission
from subscriptions.api.tenancy import limited_to_endpoint
from subscriptions.models import Endpoint
from webhooks.kit.rest.lookup import find
from webhooks.kit.rest.query_params import Filter, RegexFilter, TextFilter
from webhooks.wire.ids import parse, public

STATUS = r"\A([1-5][0-9][0-9]|[1-5]xx)\Z"
TYPE_HELP = "Event type: one (`order.paid`), all below one (`order.*`), or all (`*`). An unknown one is an error."
VALUE_HELP = (
    "A value at an indexed path of the event's type (`indexed_paths`): `data.order.id:4711`, or only `4711` for any "
    "path. Exact; looks at the newest 1,000 events that have it."
)
STATUS_HELP = "HTTP status of the latest attempt, or a class of them: `503`, `5xx`."


class IncludeField(serializers.CharField):
    """Related rows to show with each row: ``include=event,attempts``."""

    default_error_messages = {"unknown": "{name} cannot be included; choose from {names}."}

    def __init__(self, *names: str) -> None:
        super().__init__(
            required=False,
            help_text=f"Related objects to include with each item, separated by commas: {', '.join(names)}.",
        )
        self.names = names

    def to_internal_value(self, data: Any) -> Any:
        requested = [name.strip() for name in super().to_internal_value(data).split(",")]
        for name in requested:
            if name not in self.names:
                self.fail("unknown", name=name or "Nothing", names=", ".join(self.names))
        return requested


class RowField(serializers.CharField):
    """A row of the request's tenant by its id or uid. ``rows_of``: where to look for it."""

    default_error_messages = {"unknown": "No {name} with this id."}

    def __init__(self, rows_of: Callable[[UUID | None, str], QuerySet[Any]], **options: Any) -> None:
        super().__init__(**{"required": False, **options})
        self.rows_of = rows_of

    def to_internal_value(self, data: Any) -> Any:
        ref = super().to_internal_value(data)
        tenant_id = self.context["view"].tenant_id()
        rows = self.rows_of(tenant_id, ref)
        found = find(rows, ref, of_all_tenants=tenant_id is None)
        return found if found is not None else self.fail("unknown", name=rows.model._meta.verbose_name)


class EndpointField(RowField):
    """An endpoint of the request's tenant, or the one that its key is limited to; an id also of one that is deleted."""

    def __init__(self, **options: Any) -> None:
        super().__init__(self._endpoints, **options)

    def _endpoints(self, tenant_id: UUID | None, ref: str) -> QuerySet[Endpoint]:
        return limited_to_endpoint(self.context["view"].request, queries.endpoints(tenant_id, ref), "pk")


class EventField(serializers.CharField):
    """An event of the request's tenant, by its id or its own id."""

    default_error_messages = {"unknown": "No event with this id."}

    def to_internal_value(self, data: Any) -> Any:
        tenant_id = self.context["view"].tenant_id()
        found = find_event(queries.events(tenant_id), super().to_internal_value(data), tenant_id=tenant_id)
        return found if found is not None else self.fail("unknown")


class RowFilter(Filter, RowField):
    """Filter by a row of the request's tenant."""


class ScheduleFilter(Filter, serializers.CharField):
    """Filter events by the schedule that published them. An id is accepted of a schedule that was deleted, too."""

    default_error_messages = {"unknown": "No schedule with this id."}

    def to_internal_value(self, data: Any) -> Any:
        ref, tenant_id = super().to_internal_value(data), self.context["view"].tenant_id()
        found = find(queries.below(tenant_id, Schedule.objects.all()), ref, of_all_tenants=tenant_id is None)
        if found is not None:
            return found.public_id
        with suppress(ValueError):
            public_id = public(Schedule.prefix, parse(Schedule.prefix, ref))
            if tenant_id is None or may_have_published(tenant_id, public_id):
                return public_id
        return self.fail("unknown")


class StatusFilter(RegexFilter):
    """Filter by the HTTP status of an attempt, or by a class of them."""

    default_error_messages = {"invalid": "Must be a status such as 503, or a class of them such as 5xx."}

    def __init__(self, **options: Any) -> None:
        super().__init__(STATUS, **{"unindexed": True, "help_text": STATUS_HELP, **options})


class EventTypeArgument(serializers.CharField):
    """An event type: one, all below one (``order.*``), or all (``*``). An unknown type is an error."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=256, **options)

    def to_internal_value(self, data: Any) -> Any:
        pattern, tenant_id = super().to_internal_value(data), self.context["view"].tenant_id()
        if tenant_id is not None and "\0" not in pattern and (message := objection(tenant_id, pattern)):
            raise ValidationError(message, code="unknown")
        return pattern


class EventTypeFilter(Filter, EventTypeArgument):
    """Filter by event type."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"unindexed": True, "help_text": TYPE_HELP, **options})


class EventSourceFilter(TextFilter):
    """Filter by the source of the event. One that no event of the tenant has is an error."""

    def to_internal_value(self, data: Any) -> Any:
        source, tenant_id = super().to_internal_value(data), self.context["view"].tenant_id()
        if tenant_id is not None and "\0" not in source and (message := source_objection(tenant_id, source)):
            raise ValidationError(message, code="unknown")
        return source


class ValueFilter(TextFilter):
    """Filter by a value at an indexed path of the event's type. ``key``: the column with the event's key."""

    def __init__(self, key: str, **options: Any) -> None:
        super().__init__(**{"max_length": 1_300, "help_text": VALUE_HELP, **options})
        self.key = key

    def to_internal_value(self, data: Any) -> Any:
        """Return the value. Raises InsufficientRole for a caller who may not see payloads: finding is seeing."""
        require_permission(self.context["view"].request, "delivery.view_payload")
        return super().to_internal_value(data)

    def condition(self, value: str) -> Q:
        """Return the condition: the events were looked up, the newest 1,000."""
        return Q(**{f"{self.key}__in": events_with_value(self.context["view"].tenant_id(), value)})
