"""Declare the filters of each list: one field a filter; ``delivery.reading.list_filters`` has the conditions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from delivery.api.publishing.event_refs import find_event
from delivery.models import DeadLetter, DeadLetterJob, Delivery, Replay, Schedule
from delivery.publishing.known_types import objection
from delivery.reading import queries
from delivery.reading.finding.events import events_with_value
from delivery.reading.known_schedules import may_have_published
from delivery.reading.known_sources import source_objection
from delivery.reading.list_filters import ATTEMPTS, DEAD_LETTERS, DELIVERIES, EVENTS
from delivery.reading.timeline import EXPLAINED
from delivery.replaying.replay_filter import FilterFault, InvalidFilter, ReplayFilter
from delivery.transports.outcome import Failure
from subscriptions.api.authentication import principal
from subscriptions.api.tenancy import limited_to_endpoint
from subscriptions.models import Endpoint, Tenant
from webhooks.kit.rest.labels import LabelsFilter
from webhooks.kit.rest.lookup import find
from webhooks.kit.rest.query_params import ChoiceFilter, Filter, QueryParams, RegexFilter, TextFilter
from webhooks.kit.rest.serializers import InstantField
from webhooks.wire.ids import parse, public

FAILURES = [(failure.value, EXPLAINED.get(failure, "The response was no success")) for failure in Failure]
STATUS = r"\A([1-5][0-9][0-9]|[1-5]xx)\Z"
TYPE_HELP = "Event type: one (`order.paid`), all below one (`order.*`), or all (`*`). An unknown one is an error."
SUBJECT_HELP = "Subject of the event, exact."
SEARCH_HELP = "Text in the event's id, type, subject or source, ignoring case; or the id of an item of the list."
VALUE_HELP = (
    "A value at an indexed path of the event's type (`indexed_paths`): `data.order.id:4711`, or only `4711` for any "
    "path. Exact; looks at the newest 1,000 events that have it."
)
STATUS_HELP = "HTTP status of the latest attempt, or a class of them: `503`, `5xx`."
ERROR_HELP = "Class of the latest failure, such as `timeout`."
ENDPOINT_HELP = "Id or `uid` of an endpoint."
LABELS_HELP = "Labels that the endpoint has, all of them: `env:prod,region:eu`."


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

    def condition(self, value: str) -> Q:
        """Return the condition: the events were looked up, the newest 1,000."""
        return Q(**{f"{self.key}__in": events_with_value(self.context["view"].tenant_id(), value)})


class PeriodParams(QueryParams):
    """From ``since`` (included) to ``until`` (not included)."""

    since = InstantField(required=False, help_text="Start of the period, included: `2030-01-31T12:00:00Z`.")
    until = InstantField(required=False, help_text="End of the period, excluded.")

    def validate(self, attrs: Any) -> Any:
        if "since" in attrs and "until" in attrs and attrs["since"] > attrs["until"]:
            raise ValidationError({"until": ["Must not be before since."]})
        return attrs


class AttemptFilters(PeriodParams):
    """Filter the attempts of one delivery."""

    status = StatusFilter(where=ATTEMPTS["status"])
    error = ChoiceFilter(FAILURES, unindexed=True, help_text=ERROR_HELP)


class EventFilters(PeriodParams):
    """Filter events; ``event_id`` is looked up, alone or with ``source``."""

    type = EventTypeFilter(where=EVENTS["type"])
    subject = TextFilter(unindexed=True, help_text=SUBJECT_HELP)
    q = TextFilter(where=EVENTS["q"], unindexed=True, min_length=2, max_length=256, help_text=SEARCH_HELP)
    source = EventSourceFilter(  # type: ignore[assignment]  # an attribute of REST framework's serializers
        unindexed=lambda given: "event_id" not in given,
        help_text="Source of the CloudEvent, exact. An unknown one is an error.",
    )
    event_id = TextFilter(help_text="The CloudEvent's own id, exact; with `source` if sources share ids.")
    value = ValueFilter("id")
    schedule = ScheduleFilter(
        where=lambda public_id: Q(event_id__startswith=f"{public_id}-"),
        unindexed=True,
        help_text="Id or `uid` of the schedule that published it.",
    )
    include = IncludeField("deliveries")


class EventDeliveryFilters(PeriodParams):
    """Filter the deliveries of one event; ``status`` and ``error`` are those of the latest attempt."""

    state = ChoiceFilter(
        Delivery.State.choices,
        unindexed=lambda given: given["state"] not in queries.STOPPED,
        help_text="State of the delivery.",
    )
    status = StatusFilter(where=DELIVERIES["status"])
    error = ChoiceFilter(FAILURES, where="last_error", unindexed=True, help_text=ERROR_HELP)
    replay = RowFilter(
        lambda tenant_id, _ref: queries.replays(tenant_id),
        unindexed=True,
        help_text="Id of the replay that sent it again.",
    )
    superseded_by = RowFilter(
        lambda tenant_id, _ref: queries.deliveries(tenant_id),
        help_text="Id of the delivery that was sent in their place.",
    )
    include = IncludeField("event", "attempts")


class DeliveryFilters(EventDeliveryFilters):
    """Filter deliveries."""

    type = EventTypeFilter(where=DELIVERIES["type"])
    subject = TextFilter(where=DELIVERIES["subject"], unindexed=True, help_text=SUBJECT_HELP)
    q = TextFilter(where=DELIVERIES["q"], unindexed=True, min_length=2, max_length=256, help_text=SEARCH_HELP)
    endpoint = EndpointField(help_text=ENDPOINT_HELP)
    labels = LabelsFilter(where="endpoint__labels", unindexed=True, help_text=LABELS_HELP)
    value = ValueFilter("event_id")
    event = EventField(required=False, help_text="Id of an event: `evt_...`, or its own (`event_id`).")


class DeadLetterFilters(PeriodParams):
    """Filter dead letters; ``status`` and ``error`` are those of the latest attempt."""

    cause = ChoiceFilter(DeadLetter.Cause.choices, unindexed=True, help_text="Why the delivery failed permanently.")
    state = ChoiceFilter(
        DeadLetter.State.choices,
        where=DEAD_LETTERS["state"],
        unindexed=True,
        help_text="What was done about it. Without this filter the list has all.",
    )
    status = StatusFilter(where=DEAD_LETTERS["status"])
    error = ChoiceFilter(FAILURES, where="last_error", unindexed=True, help_text=ERROR_HELP)
    type = EventTypeFilter(where=DEAD_LETTERS["type"])
    subject = TextFilter(where=DEAD_LETTERS["subject"], unindexed=True, help_text=SUBJECT_HELP)
    q = TextFilter(where=DEAD_LETTERS["q"], unindexed=True, min_length=2, max_length=256, help_text=SEARCH_HELP)
    endpoint = EndpointField(help_text=ENDPOINT_HELP)
    labels = LabelsFilter(where="endpoint__labels", unindexed=True, help_text=LABELS_HELP)
    value = ValueFilter("delivery__event_id")
    include = IncludeField("delivery", "event", "attempts")


class DeadLetterJobFilters(QueryParams):
    """Filter jobs on dead letters."""

    state = ChoiceFilter(DeadLetterJob.State.choices, unindexed=True, help_text="State of the job.")
    operation = ChoiceFilter(DeadLetterJob.Operation.choices, unindexed=True, help_text="What it does.")


class ReplayFilters(QueryParams):
    """Filter replays."""

    state = ChoiceFilter(Replay.State.choices, unindexed=True, help_text="State of the replay.")


def read_row_filter(tenant: Tenant, given: Any, scope: str) -> ReplayFilter:
    """Read the filter in the body of a replay or a cancellation. Raises InvalidFilter."""
    faults: dict[str, FilterFault] = {}
    try:
        selected = ReplayFilter.parse(given, scope, tenant)
    except InvalidFilter as error:
        faults.update(error.faults)
    objections: dict[str, Callable[[UUID, str], str | None]] = {"type": objection, "source": source_objection}
    if scope == Replay.Scope.ARCHIVED:  # whose events are not in the tables
        del objections["source"]
    for name, object_to in objections.items():
        named = given.get(name) if isinstance(given, dict) else None
        if named and name not in faults and (message := object_to(tenant.pk, named)):
            faults[name] = FilterFault(message, "unknown")
    if faults:
        raise InvalidFilter(faults)
    return selected


@contextmanager
def filter_errors() -> Iterator[None]:
    """Turn the faults of the ``filter`` in a body into validation errors of its fields."""
    try:
        yield
    except InvalidFilter as error:
        faults = {name: [ErrorDetail(str(fault), fault.code)] for name, fault in error.faults.items()}
        raise ValidationError({"filter": faults}) from error
    except ValueError as error:
        field, reason = error.args
        raise ValidationError({"filter": {field: [reason]}}) from error


def of_own_endpoint(request: Request, selected: ReplayFilter) -> ReplayFilter:
    """Return the filter, narrowed to the one endpoint of the request's key if it is limited to one.

    Raises ValueError for another endpoint, with the field's name first.
    """
    own = principal(request).endpoint_id
    if own is None or selected.endpoint == own:
        return selected
    if selected.endpoint is not None:
        raise ValueError("endpoint", "is not the endpoint that this API key is limited to")
    return replace(selected, endpoint=own)
