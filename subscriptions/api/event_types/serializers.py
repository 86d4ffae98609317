"""How event types look from outside, and what of them may be written."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from subscriptions.api.fields import Choice, Flag, Json, PublicId, Strict, StrictModel
from subscriptions.event_types.models import EventSchema, EventType
from subscriptions.event_types.schemas import MAX_EXAMPLES

__all__ = [
    "EventTypeImportReportSerializer",
    "EventTypeImportSerializer",
    "EventTypeSerializer",
    "EventTypeVersionSerializer",
]


@extend_schema_field({"type": "object", "additionalProperties": True, "nullable": True})
class Document(Json):
    """A document of another standard."""


@extend_schema_field({"type": "array", "items": {}, "maxItems": MAX_EXAMPLES})
class Examples(Json):
    """Examples of data."""


class EventTypeSerializer(StrictModel):
    """What events of this type mean, and what their data looks like. `tenant` is null for the deployment's types."""

    id = PublicId()
    tenant = serializers.CharField(source="tenant.public_id", default=None, read_only=True)
    schema = Document(
        required=False,
        allow_null=True,
        help_text="A JSON Schema of draft 2020-12 for `data`; one that differs from the current becomes a new version.",
    )
    examples = Examples(required=False, help_text="A list of examples of `data`; they have to fit the schema.")
    stays = frozenset({"schema", "examples"})  # are no columns: emptied below
    hints = {"version": "Versions count themselves: give another schema."}

    class Meta:
        model = EventType
        fields = [
            "id",
            "tenant",
            "name",
            "description",
            "group",
            "schema_check",
            "schema",
            "version",
            "examples",
            "deprecated",
            "archived",
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["version", "created_at", "updated_at"]
        validators: list[Any] = []

    def to_internal_value(self, data: Any) -> Any:
        values = super().to_internal_value(data)
        if self.instance is not None and not self.partial:  # PUT replaces: what it leaves out is emptied
            values.setdefault("schema", None)
            values.setdefault("examples", [])
        return values


class EventTypeVersionSerializer(serializers.ModelSerializer[EventSchema]):
    """The schema of one version; it never changes."""

    schema = serializers.JSONField(source="document", read_only=True)

    class Meta:
        model = EventSchema
        fields = ["version", "schema", "created_at"]
        read_only_fields = fields


@extend_schema_field({"type": "object", "additionalProperties": True})
class ImportedDocument(Json):
    """An OpenAPI document."""


class EventTypeImportSerializer(Strict):
    """An OpenAPI 3.1 document whose `webhooks` become event types. `dry_run` reports and changes nothing."""

    document = ImportedDocument()
    dry_run = Flag(default=False)
    schema_check = Choice(
        ["off", "warn", "enforce"], required=False, help_text="For types that are new; `warn` if left out."
    )


class ChangedEventTypeSerializer(serializers.Serializer[Any]):
    """A type that differs from what is imported."""

    name = serializers.CharField()
    changes = serializers.ListField(child=serializers.CharField(), help_text="Which of its fields change.")


class EventTypeImportReportSerializer(serializers.Serializer[Any]):
    """What an import did, or would do."""

    dry_run = serializers.BooleanField()
    created = serializers.ListField(child=serializers.CharField())
    changed = ChangedEventTypeSerializer(many=True)
    unchanged = serializers.ListField(child=serializers.CharField())
