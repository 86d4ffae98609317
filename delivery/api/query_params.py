"""Declare the query parameters of each list and report."""

from typing import Any

from rest_framework import serializers

from delivery.models import DeadLetter, Delivery, Replay
from delivery.reading.queries import STOPPED
from delivery.transports.outcome import Failure
from subscriptions.api.fields import Strict
from webhooks.wire import ids

__all__ = [
    "AttemptQuery",
    "DeadLetterQuery",
    "DeliveryQuery",
    "EventQuery",
    "ReplayQuery",
    "StatsQuery",
    "UsageQuery",
    "WindowQuery",
]

MOST_HOURS = 24 * 31  # of statistics
FAILURES = [failure.value for failure in Failure]


class IncludeField(serializers.CharField):
    """``include=event,attempts``: related rows to show with each row."""

    default_error_messages = {"unknown": "{name} cannot be included; choose from {names}."}

    def __init__(self, *names: str) -> None:
        super().__init__(required=False, help_text=f"Related rows to include, separated by commas: {', '.join(names)}.")
        self.names = names

    def to_internal_value(self, data: Any) -> Any:
        asked = [name.strip() for name in super().to_internal_value(data).split(",")]
        for name in asked:
            if name not in self.names:
                self.fail("unknown", name=name or "Nothing", names=", ".join(self.names))
        return asked


class ReferenceField(serializers.CharField):
    """The public id of a row with this prefix."""

    def __init__(self, prefix: str, **options: Any) -> None:
        super().__init__(**options)
        self.prefix = prefix

    def to_internal_value(self, data: Any) -> Any:
        try:
            return ids.parse(self.prefix, super().to_internal_value(data))
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None


class WindowQuery(serializers.Serializer[Any]):
    """From ``since`` (included) to ``until`` (not included)."""

    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)


class AttemptQuery(WindowQuery):
    status = serializers.RegexField(
        r"\A([1-5][0-9][0-9]|[1-5]xx)\Z", required=False, help_text="An HTTP status, or a class of them: 503, 5xx."
    )
    error = serializers.ChoiceField(FAILURES, required=False, help_text="The class of the failure.")


class EventFilterQuery(serializers.Serializer[Any]):
    """Filter by the event that a row belongs to."""

    type = serializers.CharField(required=False, help_text="The event's type, exact.")
    subject = serializers.CharField(required=False, help_text="The event's subject, exact.")
    q = serializers.CharField(
        required=False,
        min_length=2,
        max_length=256,
        help_text="Text in the event's id, type, subject or source, ignoring case; or the id of a row.",
    )


class EventQuery(EventFilterQuery, WindowQuery):
    """Filter events; ``event_id`` is looked up, alone or with ``source``."""

    source = serializers.CharField(required=False)  # type: ignore[assignment]  # as above
    event_id = serializers.CharField(required=False)
    include = IncludeField("deliveries")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "event_id" not in attrs and "source" in attrs:
            attrs["of_source"] = attrs.pop("source")
        return attrs


class EventDeliveryQuery(AttemptQuery):
    """Filter the deliveries of one event; ``status`` and ``error`` are those of the latest attempt."""

    state = serializers.ChoiceField(Delivery.State.choices, required=False)
    replay = ReferenceField(Replay.prefix, required=False, help_text="The id of the replay that re-queued it.")
    include = IncludeField("event", "attempts")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("state") not in (None, *STOPPED):
            attrs["in_state"] = attrs.pop("state")
        return attrs


class DeliveryQuery(EventFilterQuery, EventDeliveryQuery):
    endpoint = serializers.CharField(required=False, help_text="An endpoint's id or uid.")
    event = serializers.CharField(required=False, help_text="An event's id.")


class DeadLetterQuery(EventFilterQuery, AttemptQuery):
    endpoint = serializers.CharField(required=False, help_text="An endpoint's id or uid.")
    cause = serializers.ChoiceField(DeadLetter.Cause.choices, required=False)
    state = serializers.ChoiceField([("open", "Open"), ("replayed", "Replayed")], required=False)
    include = IncludeField("delivery", "event", "attempts")


class ReplayQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(Replay.State.choices, required=False)


class WordsField(serializers.CharField):
    """Some of these words, separated by commas."""

    default_error_messages = {"unknown": "Must be some of these, separated by commas: {names}."}

    def __init__(self, *names: str, **options: Any) -> None:
        super().__init__(**options)
        self.names = names

    def to_internal_value(self, data: Any) -> Any:
        words = super().to_internal_value(data).split(",")
        if not set(words) <= set(self.names):
            self.fail("unknown", names=", ".join(self.names))
        return words


class ReportQuery(Strict):
    """Parameters of a report; unknown ones are rejected, as the pagination does for lists."""

    along = frozenset({"tenant", "format"})  # read elsewhere

    def _takes(self, name: str) -> bool:
        return name in self.along or super()._takes(name)

    def to_internal_value(self, data: Any) -> Any:
        if data.get("format") == "":
            raise serializers.ValidationError({"format": ["Must not be empty; omit it for the default."]})
        return super().to_internal_value(data)


class StatsQuery(ReportQuery):
    """The number of hours of a statistics report."""

    hours = serializers.IntegerField(
        min_value=1, max_value=MOST_HOURS, default=24, help_text="Number of hours, including the current one."
    )


class UsageQuery(ReportQuery):
    """From ``from`` to ``to``; by default from the first day of this month until today."""

    type = serializers.CharField(
        required=False, max_length=256, help_text="One event type, or all types below one: `order.*`."
    )
    granularity = serializers.ChoiceField(["day", "month"], default="day", help_text="Period of a row.")
    by = WordsField("tenant", "type", default=("tenant", "type"), help_text="What rows distinguish besides the date.")
    limit = serializers.IntegerField(min_value=1, max_value=250, default=50, help_text="Rows on a JSON page.")
    cursor = serializers.CharField(
        default="", allow_blank=True, help_text="Position after which the page starts; from `next`."
    )

    def get_fields(self) -> dict[str, Any]:
        """Add `from`, which cannot be the name of a Python attribute."""
        window = {
            "from": serializers.DateField(required=False, help_text="The first day (UTC)."),
            "to": serializers.DateField(required=False, help_text="The last day (UTC), which is included."),
        }
        return {**window, **super().get_fields()}

    def validate(self, attrs: Any) -> Any:
        if "from" in attrs and "to" in attrs and attrs["from"] > attrs["to"]:
            raise serializers.ValidationError({"to": ["Must not be before `from`."]})
        return attrs
