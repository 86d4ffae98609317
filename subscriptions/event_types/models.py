"""An event type is the deployment's, or one tenant's own; each change of its schema is a version that stays.

Schemas and examples are kept as text, for ``jsonb`` forgets the order of names, and people read what they describe in
the order in which it was written.
"""

import json
from typing import Any

from django.db import models
from django.utils import timezone

from webhooks.kit.rows import Row
from webhooks.wire.ids import new_id

__all__ = ["EventSchema", "EventType", "SchemaCheck"]


class SchemaCheck(models.TextChoices):
    """What is done about an event that does not fit the schema."""

    OFF = "off", "Nothing"
    WARN = "warn", "It is taken, with a warning"
    ENFORCE = "enforce", "It is refused"


class EventType(Row):
    """What events of this type mean. ``version`` is that of the current schema; 0: there is none."""

    prefix = "ety"
    tenant = models.ForeignKey(
        "subscriptions.Tenant",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="event_types",
        db_index=False,
        help_text="Empty: it is the deployment's, for all tenants.",
    )
    name = models.CharField(max_length=256)
    description = models.CharField(max_length=4096, blank=True)
    group = models.CharField(max_length=128, blank=True, help_text="Under which heading it stands in the catalogue.")
    schema_check = models.CharField(max_length=7, choices=SchemaCheck.choices, default=SchemaCheck.WARN)
    version = models.PositiveIntegerField(default=0, editable=False)
    examples_text = models.TextField(default="[]", editable=False)
    deprecated = models.BooleanField(default=False, help_text="Still sent; nobody should begin to rely on it.")
    archived = models.BooleanField(default=False, help_text="In no catalogue any more.")
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "name"], nulls_distinct=False, name="one_event_type_per_name_of_a_tenant"
            ),
        ]
        indexes = [models.Index(fields=["name"], name="event_type_names")]  # reader: contracts

    def __str__(self) -> str:
        return f"event type {self.name}"

    @property
    def examples(self) -> list[Any]:
        """Examples of the data, as they were written."""
        found: list[Any] = json.loads(self.examples_text)
        return found

    @property
    def current(self) -> "EventSchema | None":
        """The schema that counts now."""
        return next((it for it in self.schemas.all() if it.version == self.version), None)

    @property
    def schema(self) -> Any:
        """The document of the current schema; None: there is none."""
        current = self.current
        return None if current is None else current.document


class EventSchema(models.Model):
    """The schema of one version; never changed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    event_type = models.ForeignKey(EventType, models.CASCADE, related_name="schemas")
    version = models.PositiveIntegerField()
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event_type", "version"], name="one_schema_per_version")]
        ordering = ["version"]

    def __str__(self) -> str:
        return f"version {self.version}"

    @property
    def document(self) -> Any:
        """The schema as it was written."""
        return json.loads(self.text)
