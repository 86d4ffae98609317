"""Serialize broadcasts, their previews, and the tenants they select."""

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from delivery.api.serializers.plain_events import PlainEventField
from delivery.broadcasting.broadcasts import DEFAULT_RATE, MAX_RATE
from delivery.models import Broadcast
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import BooleanField, IntegerField
from webhooks.kit.rest.labels import Labels
from webhooks.kit.rest.serializers import StrictSerializer

WHOM = "Give labels, or all: true for every tenant."


class BroadcastSerializer(serializers.ModelSerializer[Broadcast]):
    """An event that is published for many tenants, with its progress: `published` and `failed` of `total` tenants."""

    id = IdField(Broadcast.prefix)
    labels = Labels(read_only=True, help_text="Labels of the tenants that get the event; `{}`: all tenants.")

    class Meta:
        model = Broadcast
        fields = [
            "id",
            "state",
            "labels",
            "source",
            "event_id",
            "type",
            "rate",
            "total",
            "published",
            "failed",
            "last_error",
            "requested_by",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields


class BroadcastSelectionSerializer(StrictSerializer):
    """The tenants that get an event: those with `labels`, or `all`."""

    labels = Labels(
        required=False, help_text='Labels that the tenants have, all of them: `{"plan": "gold"}`. Excludes `all`.'
    )
    all = BooleanField(required=False, help_text="Must be true to select every tenant. Excludes `labels`.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if bool(attrs.get("labels")) == bool(attrs.get("all")):
            raise ValidationError({"labels": [WHOM]})
        return attrs


class BroadcastCreateSerializer(BroadcastSelectionSerializer):
    """An event, and the tenants that get it."""

    event = PlainEventField(
        is_stored=False,
        help_text="The event in the plain form: `type` and `data`, optionally `id`, `source`, `time`, `subject`. With "
        'an `id`, the same broadcast again publishes nothing twice. Example: `{"type": "maintenance.planned", '
        '"data": {"at": "2030-01-31T22:00:00Z"}}`.',
    )
    rate = IntegerField(min_value=1, max_value=MAX_RATE, default=DEFAULT_RATE, help_text="Tenants per second, at most.")
