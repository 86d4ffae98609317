"""Store event types and the versions of their schemas.

A type belongs to the deployment (all tenants see it) or to one tenant. Schemas and examples are stored as text, since
``jsonb`` does not keep the order of the names in an object.
"""

from typing import Any

from django.db import models
from django.db.models import Value
from django.utils import timezone

from subscriptions.event_types.exact_json import from_json
from webhooks.kit.rows import Row
from webhooks.wire.ids import new_id


class SchemaCheckMode(models.TextChoices):
    """List what publishing can do with an event that does not match the schema of its type."""

    OFF = "off", "Accept"
    WARN = "warn", "Accept with a warning"
    ENFORCE = "enforce", "Reject"


class EventType(Row):
    """Model an event type: what events of this name mean, and the schema and examples of their data."""

    prefix = "ety"
    tenant = models.ForeignKey(
        "subscriptions.Tenant",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="event_types",
        db_index=False,
        help_text="Empty: a type of the deployment, for all tenants.",
    )
    name = models.CharField(max_length=256, help_text="Type of the events, such as order.paid.")
    description = models.CharField(max_length=4096, blank=True, help_text="What an event of this type means.")
    group = models.CharField(max_length=128, blank=True, help_text="Heading under which the catalogue lists the type.")
    schema_check = models.CharField(
        max_length=7,
        choices=SchemaCheckMode.choices,
        default=SchemaCheckMode.WARN,
        help_text="What happens to an event that does not match the schema.",
    )
    version = models.PositiveIntegerField(
        default=0, editable=False, help_text="Version of the current schema; 0: no schema."
    )
    examples_text = models.TextField(default="[]", editable=False)
    masks = models.JSONField(
        default=list,
        blank=True,
        help_text="Values of events of this type that are removed, masked, hashed or encrypted before they are stored.",
    )
    indexed_paths = models.JSONField(
        default=list,
        blank=True,
        db_default=Value([], models.JSONField()),
        help_text="Paths into the data, such as data.order.id, by whose values events of this type can be found.",
    )
    deprecated = models.BooleanField(default=False, help_text="Still sent, but new receivers should not use it.")
    archived = models.BooleanField(default=False, help_text="Hidden from the catalogue.")
    updated_at = models.DateTimeField(default=timezone.now, editable=False, help_text="When it was last changed.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "name"], nulls_distinct=False, name="unique_event_type_name_per_tenant"
            ),
        ]
        indexes = [models.Index(fields=["name"], name="event_type_by_name")]  # reader: schema_check

    def __str__(self) -> str:
        return f"event type {self.name}"

    @property
    def examples(self) -> list[Any]:
        """Return the examples of ``data``."""
        found: list[Any] = from_json(self.examples_text)
        return found

    @property
    def current(self) -> "EventSchema | None":
        """Return the current schema version, from the prefetched ``schemas``."""
        return next((it for it in self.schemas.all() if it.version == self.version), None)

    @property
    def schema(self) -> Any:
        """Return the document of the current schema, or None if there is no schema."""
        current = self.current
        return None if current is None else current.document


def with_current_schemas(rows: "models.QuerySet[EventType]") -> "models.QuerySet[EventType]":
    """Return these types with their current schema only in the prefetched ``schemas``, which ``current`` reads."""
    current = EventSchema.objects.filter(version=models.F("event_type__version"))
    return rows.prefetch_related(models.Prefetch("schemas", current))


class EventSchema(models.Model):
    """Model one version of the schema of an event type. A row is never changed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    event_type = models.ForeignKey(EventType, models.CASCADE, related_name="schemas")
    version = models.PositiveIntegerField(help_text="Number of the version, from 1.")
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now, editable=False, help_text="When it was created.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event_type", "version"], name="unique_schema_version_per_event_type")
        ]
        ordering = ["version"]

    def __str__(self) -> str:
        return f"version {self.version}"

    @property
    def document(self) -> Any:
        """Return the parsed JSON Schema."""
        return from_json(self.text)
