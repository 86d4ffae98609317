"""Serialize event types, their versions and imports."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from subscriptions.event_types.models import EventSchema, EventType
from subscriptions.event_types.schemas import MAX_EXAMPLES
from subscriptions.models import Tenant
from webhooks.kit.rest.serializers import (
    BooleanField,
    ChoiceField,
    IdField,
    StorableJsonField,
    StrictModelSerializer,
    StrictSerializer,
)


@extend_schema_field({"type": "object", "additionalProperties": True, "nullable": True})
class Document(StorableJsonField):
    """A document of another standard."""


@extend_schema_field({"type": "array", "items": {}, "maxItems": MAX_EXAMPLES})
class Examples(StorableJsonField):
    """Examples of data."""


class EventTypeSerializer(StrictModelSerializer):
    """An event type: the meaning and the data of its events. `tenant` is null for types of the deployment."""

    id = IdField(EventType.prefix, read_only=True)
    tenant = IdField(Tenant.prefix, source="tenant_id", read_only=True, allow_null=True)
    schema = Document(
        required=False,
        allow_null=True,
        help_text="A JSON Schema of draft 2020-12 for `data`; a changed schema becomes a new version.",
    )
    examples = Examples(required=False, help_text="A list of examples of `data`; each must match the schema.")
    kept_by_put = frozenset({"schema", "examples"})  # no columns: set below
    hints = {"version": "Cannot be set; a changed schema becomes the next version."}

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
        if self.instance is not None and not self.partial:  # PUT removes what it leaves out
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
class ImportedDocument(StorableJsonField):
    """An OpenAPI document."""


class EventTypeImportSerializer(StrictSerializer):
    """An OpenAPI 3.1 document whose `webhooks` become event types. `dry_run` reports and changes nothing."""

    document = ImportedDocument()
    dry_run = BooleanField(default=False)
    schema_check = ChoiceField(
        ["off", "warn", "enforce"], required=False, help_text="Schema check of new types; default `warn`."
    )


class ChangedEventTypeSerializer(serializers.Serializer[Any]):
    """A type that differs from what is imported."""

    name = serializers.CharField()
    changes = serializers.ListField(child=serializers.CharField(), help_text="Names of the changed fields.")


class EventTypeImportReportSerializer(serializers.Serializer[Any]):
    """Report of an import, or of a dry run."""

    dry_run = serializers.BooleanField()
    created = serializers.ListField(child=serializers.CharField())
    changed = ChangedEventTypeSerializer(many=True)
    unchanged = serializers.ListField(child=serializers.CharField())
