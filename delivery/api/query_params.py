"""What may be asked of each list, as the parameters of its address."""

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
    """``include=event,attempts``: what to show with each row."""

    default_error_messages = {"unknown": "{name} cannot be included; these can: {names}."}

    def __init__(self, *names: str) -> None:
        super().__init__(required=False, help_text=f"Show with each row, separated by commas: {', '.join(names)}.")
        self.names = names

    def to_internal_value(self, data: Any) -> Any:
        asked = [name.strip() for name in super().to_internal_value(data).split(",")]
        for name in asked:
            if name not in self.names:
                self.fail("unknown", name=name or "Nothing", names=", ".join(self.names))
        return asked


class ReferenceField(serializers.CharField):
    """The id of a row, of this kind."""

    def __init__(self, prefix: str, **options: Any) -> None:
        super().__init__(**options)
        self.prefix = prefix

    def to_internal_value(self, data: Any) -> Any:
        try:
            return ids.parse(self.prefix, super().to_internal_value(data))
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None


class WindowQuery(serializers.Serializer[Any]):
    """From ``since`` (included) until ``until`` (not included)."""

    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)


class AttemptQuery(WindowQuery):
    status = serializers.RegexField(
        r"\A([1-5][0-9][0-9]|[1-5]xx)\Z", required=False, help_text="An HTTP status, or a class of them: 503, 5xx."
    )
    error = serializers.ChoiceField(FAILURES, required=False, help_text="The class of the failure.")


class AboutEvents(serializers.Serializer[Any]):
    """What every list that is about events may be asked."""

    type = serializers.CharField(required=False, help_text="The event's type, whole.")
    subject = serializers.CharField(required=False, help_text="The event's subject, whole.")
    q = serializers.CharField(
        required=False,
        min_length=2,
        max_length=256,
        help_text="A text in the event's id, type, subject or source, in either case; or an id of the list's rows.",
    )


class EventQuery(AboutEvents, WindowQuery):
    """``event_id``, with ``source`` or alone, finds at once."""

    source = serializers.CharField(required=False)  # type: ignore[assignment]  # as above
    event_id = serializers.CharField(required=False)
    include = IncludeField("deliveries")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "event_id" not in attrs and "source" in attrs:
            attrs["of_source"] = attrs.pop("source")
        return attrs


class EventDeliveryQuery(AttemptQuery):
    """The deliveries of one event. ``status`` and ``error`` are about the latest attempt."""

    state = serializers.ChoiceField(Delivery.State.choices, required=False)
    replay = ReferenceField(Replay.prefix, required=False, help_text="The replay that brought it back, by its id.")
    include = IncludeField("event", "attempts")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("state") not in (None, *STOPPED):
            attrs["in_state"] = attrs.pop("state")
        return attrs


class DeliveryQuery(AboutEvents, EventDeliveryQuery):
    endpoint = serializers.CharField(required=False, help_text="An endpoint's id or uid.")
    event = serializers.CharField(required=False, help_text="An event's id.")


class DeadLetterQuery(AboutEvents, AttemptQuery):
    endpoint = serializers.CharField(required=False, help_text="An endpoint's id or uid.")
    cause = serializers.ChoiceField(DeadLetter.Cause.choices, required=False)
    state = serializers.ChoiceField([("open", "Not brought back yet"), ("redriven", "Brought back")], required=False)
    include = IncludeField("delivery", "event", "attempts")


class ReplayQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(Replay.State.choices, required=False)


class WordsField(serializers.CharField):
    """Words from a few, separated by commas."""

    default_error_messages = {"unknown": "Give any of these, separated by commas: {names}."}

    def __init__(self, *names: str, **options: Any) -> None:
        super().__init__(**options)
        self.names = names

    def to_internal_value(self, data: Any) -> Any:
        words = super().to_internal_value(data).split(",")
        if not set(words) <= set(self.names):
            self.fail("unknown", names=", ".join(self.names))
        return words


class Alone(Strict):
    """The query of a report, which is no list of pages (those look after it): it may be asked nothing else, either."""

    along = frozenset({"tenant", "format"})  # whose report it is, and in what form: read elsewhere

    def _takes(self, name: str) -> bool:
        return name in self.along or super()._takes(name)

    def to_internal_value(self, data: Any) -> Any:
        if data.get("format") == "":  # whoever reads it passes over that
            raise serializers.ValidationError({"format": ["Say which, or leave it out."]})
        return super().to_internal_value(data)


class StatsQuery(Alone):
    """For how many hours."""

    hours = serializers.IntegerField(
        min_value=1, max_value=MOST_HOURS, default=24, help_text="So many hours back, the one that runs included."
    )


class UsageQuery(Alone):
    """From the first day of this month until today, unless ``from`` and ``to`` say otherwise."""

    type = serializers.CharField(required=False, max_length=256, help_text="One event type, or all below: `order.*`.")
    granularity = serializers.ChoiceField(["day", "month"], default="day", help_text="What a row adds up.")
    by = WordsField("tenant", "type", default=("tenant", "type"), help_text="What a row tells apart besides its date.")
    limit = serializers.IntegerField(min_value=1, max_value=250, default=50, help_text="Rows of a page of JSON.")
    cursor = serializers.CharField(default="", allow_blank=True, help_text="As in `next`.")

    def get_fields(self) -> dict[str, Any]:
        """`from` cannot be the name of an attribute."""
        window = {
            "from": serializers.DateField(required=False, help_text="The first day (UTC)."),
            "to": serializers.DateField(required=False, help_text="The last day (UTC), which is included."),
        }
        return {**window, **super().get_fields()}

    def validate(self, attrs: Any) -> Any:
        if "from" in attrs and "to" in attrs and attrs["from"] > attrs["to"]:
            raise serializers.ValidationError({"to": ["Comes before `from`."]})
        return attrs
