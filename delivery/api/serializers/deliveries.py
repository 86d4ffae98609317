"""Serialize deliveries and their attempts."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from delivery.api.included import IncludingSerializer
from delivery.models import Attempt, Delivery, Event, Replay
from delivery.reading.timeline import explanation_of, repeats_of, response_headers, response_text
from delivery.transports.http.repeats import CHOICES
from subscriptions.models import Endpoint
from webhooks.kit.rest.fields.references import IdField


class DeliverySerializer(IncludingSerializer[Delivery]):
    """The delivery of one event to one endpoint, and its state."""

    id = IdField(Delivery.prefix)
    event = IdField(Event.prefix, source="event_id", help_text="Id of the event.")
    endpoint = IdField(Endpoint.prefix, source="endpoint_id", help_text="Id of the endpoint.")
    type = serializers.CharField(source="event.type", help_text="Type of the event, such as `order.paid`.")
    attempts_made = serializers.IntegerField(
        source="attempts", help_text="Attempts made so far, including those before replays."
    )
    replay = IdField(
        Replay.prefix,
        source="replay_id",
        allow_null=True,
        help_text="Id of the latest replay that sent it; null: none.",
    )

    superseded_by = IdField(
        Delivery.prefix,
        source="superseded_by_id",
        allow_null=True,
        help_text="Id of the newer delivery of its key that is sent in its place (`latest_only`); null: none.",
    )
    supersedes = serializers.SerializerMethodField(
        help_text="How many older deliveries of its key were not sent because of it, those that they superseded among "
        "them; the header `webhook-superseded` says it to the endpoint."
    )

    class Meta:
        model = Delivery
        fields = [
            "id",
            "event",
            "type",
            "endpoint",
            "state",
            "attempts_made",
            "next_attempt_at",
            "last_status",
            "last_error",
            "replay",
            "created_at",
            "cancelled_at",
            "cancelled_by",
            "superseded_by",
            "superseded_at",
            "supersedes",
        ]
        read_only_fields = fields

    def get_supersedes(self, delivery: Delivery) -> int:
        return delivery.supersedes or 0


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """One attempt to deliver: a request to the endpoint, and its result."""

    id = IdField(Attempt.prefix)
    explanation = serializers.SerializerMethodField(
        help_text="What went wrong, and what to do about it; empty if `error` is empty or `status`."
    )
    requests = serializers.SerializerMethodField(
        help_text="How often its request was sent: 1, or up to 3 if the endpoint did not process it."
    )
    repeats = serializers.SerializerMethodField(
        help_text="Why the request was sent again, one reason for each time: `connection_closed` (the endpoint closed "
        "a kept connection without a response), `stream_refused` (HTTP/2: declared unprocessed, or closed as before), "
        "`http_1_1_required`, or `unauthorized` (401 to an access token; sent with another one)."
    )
    response = serializers.SerializerMethodField(
        help_text="Beginning of the response body as text, up to 4,096 characters; empty without a response."
    )
    response_truncated = serializers.SerializerMethodField(help_text="Whether the response body was longer.")
    response_headers = serializers.SerializerMethodField(
        help_text="Response headers, as pairs of name and value, up to 2,048 bytes; values that may hold credentials, "
        "such as that of `set-cookie`, are `***`."
    )

    class Meta:
        model = Attempt
        fields = [
            *("id", "number", "started_at", "duration_ms", "status", "error", "explanation"),
            *("requests", "repeats", "response", "response_truncated", "response_headers"),
        ]
        read_only_fields = fields

    def get_explanation(self, attempt: Attempt) -> str:
        return explanation_of(attempt.error, attempt.status)

    def get_requests(self, attempt: Attempt) -> int:
        return len(repeats_of(attempt)) + 1

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(choices=CHOICES)))
    def get_repeats(self, attempt: Attempt) -> list[str]:
        return repeats_of(attempt)

    def get_response(self, attempt: Attempt) -> str:
        return response_text(attempt.response)[0]

    def get_response_truncated(self, attempt: Attempt) -> bool:
        return response_text(attempt.response)[1]

    @extend_schema_field(serializers.ListField(child=serializers.ListField(child=serializers.CharField())))
    def get_response_headers(self, attempt: Attempt) -> list[tuple[str, str]]:
        return response_headers(attempt)


class DeliveryDetailSerializer(DeliverySerializer):
    """The delivery of one event to one endpoint, with its attempts."""

    attempts = serializers.SerializerMethodField(help_text="The latest attempts, up to 100, newest first.")

    class Meta(DeliverySerializer.Meta):
        fields = [*DeliverySerializer.Meta.fields, "attempts"]
        read_only_fields = fields

    @extend_schema_field(AttemptSerializer(many=True))
    def get_attempts(self, delivery: Delivery) -> list[dict[str, Any]]:
        return list(AttemptSerializer(self.context["history"], many=True).data)
