"""Serialize event types, their versions and imports."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from subscriptions.api.fields.masks import MasksField
from subscriptions.event_types.exact_json import to_json
from subscriptions.event_types.indexed_paths import MAX_PATHS
from subscriptions.event_types.models import EventSchema, EventType, SchemaCheckMode
from subscriptions.event_types.schemas import MAX_EXAMPLES
from subscriptions.models import Tenant
from webhooks.kit.rest.fields.json_values import JsonField
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import BooleanField, ChoiceField
from webhooks.kit.rest.serializers import StrictModelSerializer, StrictSerializer


class ExactJsonField(JsonField):
    """Any JSON value that can be stored as text, its numbers as they were written."""

    default_error_messages = {"storable": "Must not contain NUL or unpaired surrogates."}

    def to_internal_value(self, data: Any) -> Any:
        try:
            text = to_json(data)
        except (TypeError, ValueError):
            self.fail("storable")
        if "\\u0000" in text:
            self.fail("storable")
        return data


@extend_schema_field({"type": "object", "additionalProperties": True, "nullable": True})
class Document(ExactJsonField):
    """A document of another standard."""


@extend_schema_field({"type": "array", "items": {}, "maxItems": MAX_EXAMPLES})
class Examples(ExactJsonField):
    """Examples of data."""


@extend_schema_field({"type": "array", "items": {"type": "string"}, "maxItems": MAX_PATHS})
class IndexedPathsField(JsonField):
    """Paths of indexed values; ``registry`` checks them."""


class EventTypeSerializer(StrictModelSerializer):
    """A type of events: what they mean and what their data looks like."""

    id = IdField(EventType.prefix, read_only=True)
    tenant = IdField(
        Tenant.prefix,
        source="tenant_id",
        read_only=True,
        allow_null=True,
        help_text="Id of the tenant it belongs to; null: a type of the platform, for all tenants.",
    )
    schema = Document(
        required=False,
        allow_null=True,
        help_text="JSON Schema (draft 2020-12) of `data`; a changed one becomes the next version. Null: none.",
    )
    examples = Examples(required=False, help_text="Examples of `data`, which have to match the schema. Default: none.")
    masks = MasksField(
        required=False,
        help_text="What is removed, masked, hashed or encrypted of each event before it is stored and sent. Applies "
        "within a second to events published from now on. Default: `[]`.",
    )
    indexed_paths = IndexedPathsField(
        required=False,
        help_text="Paths into the data by whose values events of this type can be found, at most 8: "
        '`["data.order.id", "data.lines[*].sku"]`. Texts, numbers and booleans are found, as filter `value` of events, '
        "deliveries and dead letters, and by operators. Applies within a second to events published from now on. "
        "Default: `[]`.",
    )
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
            "masks",
            "indexed_paths",
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
    """One version of an event type's schema. It never changes."""

    schema = serializers.JSONField(
        source="document", read_only=True, help_text="JSON Schema (draft 2020-12) of `data`."
    )

    class Meta:
        model = EventSchema
        fields = ["version", "schema", "created_at"]
        read_only_fields = fields


@extend_schema_field({"type": "object", "additionalProperties": True})
class ImportedDocument(ExactJsonField):
    """An OpenAPI document."""


class EventTypeImportSerializer(StrictSerializer):
    """An OpenAPI document to import event types from."""

    document = ImportedDocument(help_text="OpenAPI 3.1 document; each of its `webhooks` becomes an event type.")
    dry_run = BooleanField(default=False, help_text="Report what would change, and change nothing.")
    schema_check = ChoiceField(
        SchemaCheckMode.choices, required=False, help_text="`schema_check` of the types it creates. Default: `warn`."
    )


class ChangedEventTypeSerializer(serializers.Serializer[Any]):
    """An event type that an import changes."""

    name = serializers.CharField(help_text="Name of the event type.")
    changes = serializers.ListField(child=serializers.CharField(), help_text="Names of the fields that change.")


class EventTypeImportReportSerializer(serializers.Serializer[Any]):
    """The event types that an import changed or, with `dry_run`, would change."""

    dry_run = serializers.BooleanField(help_text="Whether nothing was changed.")
    created = serializers.ListField(child=serializers.CharField(), help_text="Names of the types created.")
    changed = ChangedEventTypeSerializer(many=True, help_text="Types changed.")
    unchanged = serializers.ListField(child=serializers.CharField(), help_text="Names of the types left as they are.")
