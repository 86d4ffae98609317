"""Declare the filters of each list: one field a filter; ``delivery.reading.list_filters`` has the conditions."""

from typing import Any

from django.db.models import Q
from rest_framework.exceptions import ValidationError

from delivery.api.filters.fields import (
    EndpointField,
    EventField,
    EventSourceFilter,
    EventTypeFilter,
    IncludeField,
    RowFilter,
    ScheduleFilter,
    StatusFilter,
    ValueFilter,
)
from delivery.models import DeadLetter, DeadLetterJob, Delivery, Replay
from delivery.reading import queries
from delivery.reading.list_filters import ATTEMPTS, DEAD_LETTERS, DELIVERIES, EVENTS
from delivery.reading.timeline import EXPLAINED
from delivery.transports.outcome import Failure
from webhooks.kit.rest.fields.scalars import InstantField
from webhooks.kit.rest.labels import LabelsFilter
from webhooks.kit.rest.query_params import ChoiceFilter, QueryParams, TextFilter

FAILURES = [(failure.value, EXPLAINED.get(failure, "The response was no success")) for failure in Failure]
SUBJECT_HELP = "Subject of the event, exact."
SEARCH_HELP = "Text in the event's id, type, subject or source, ignoring case; or the id of an item of the list."
ERROR_HELP = "Class of the latest failure, such as `timeout`."
ENDPOINT_HELP = "Id or `uid` of an endpoint."
LABELS_HELP = "Labels that the endpoint has, all of them: `env:prod,region:eu`."


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
