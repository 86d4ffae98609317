"""Serialize entries of the audit."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from webhooks.audit.models import AuditEntry
from webhooks.audit.objects import public_object_id
from webhooks.audit.payload_columns import hide_payload_columns
from webhooks.kit.bodies.payloads import HIDDEN, may_see_payloads
from webhooks.kit.rest.fields.references import IdField

Actor = AuditEntry.Actor


class AuditActorSerializer(serializers.Serializer[AuditEntry]):
    """The one who did it."""

    type = serializers.ChoiceField(Actor.choices, source="actor_type", help_text="Kind of the one who did it.")
    id = serializers.CharField(source="actor_id", help_text="Id of the API key or the user; empty: none is shown.")
    name = serializers.CharField(
        source="actor_name",
        help_text="Name of the API key or the user; a tenant sees `operator` for those of the platform.",
    )
    address = serializers.CharField(help_text="Network address that the request came from; empty: none is shown.")


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    """One change of one object, or one operation."""

    id = IdField(AuditEntry.prefix)
    tenant = IdField("tnt", source="tenant_id", allow_null=True, help_text="Tenant of the object; null: of none.")
    actor = serializers.SerializerMethodField(help_text="The one who did it.")
    object_id = serializers.SerializerMethodField(help_text="Id of the object; empty: the operation is about none.")

    class Meta:
        model = AuditEntry
        fields = [
            *("id", "created_at", "tenant", "actor", "origin", "operation", "request_id", "action", "object_type"),
            *("object_id", "object_name", "part", "before", "after"),
        ]
        read_only_fields = fields

    def to_representation(self, entry: AuditEntry) -> Any:
        """Return the entry; values that are payloads are hidden from callers who may not see payloads."""
        request = self.context["view"].request
        return super().to_representation(
            hide_payload_columns(entry, lambda app: may_see_payloads(request, app), HIDDEN)
        )

    @extend_schema_field(AuditActorSerializer)
    def get_actor(self, entry: AuditEntry) -> dict[str, Any]:
        """Return the actor; to a tenant, an operator of the platform is shown without name and address."""
        shown = dict(AuditActorSerializer(entry).data)
        if self.context["view"].shows_operators() or _is_of_the_tenant(entry):
            return shown
        name = "" if entry.actor_type == Actor.SYSTEM else "operator"
        return {**shown, "id": "", "name": name, "address": ""}

    def get_object_id(self, entry: AuditEntry) -> str:
        return public_object_id(entry)


def _is_of_the_tenant(entry: AuditEntry) -> bool:
    """Return whether the actor is a key or a portal user of the tenant, not one of the platform."""
    return entry.actor_type in (Actor.KEY, Actor.PORTAL) and entry.actor_tenant_id is not None
