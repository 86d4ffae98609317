"""Serialize grants."""

from typing import Any

from rest_framework.exceptions import ValidationError

from subscriptions.api.authentication import principal
from subscriptions.api.fields.routing import EventTypesField, PatternField
from subscriptions.models import Grant, Tenant
from webhooks.kit.rest.fields.references import IdField, ReferenceField
from webhooks.kit.rest.serializers import StrictModelSerializer
from webhooks.kit.rows import is_uid
from webhooks.wire.ids import parse


class GranteeField(ReferenceField):
    """A tenant: by id, with a platform key also by uid. A tenant cannot find out which uids others have."""

    def __init__(self, **options: Any) -> None:
        super().__init__(lambda _: Tenant.objects.filter(deleted_at=None), **options)

    def to_internal_value(self, data: Any) -> Any:
        if not principal(self.context["request"]).is_platform and isinstance(data, str) and _is_no_id(data):
            self.fail("unknown", name="tenant")
        return super().to_internal_value(data)


class GrantSerializer(StrictModelSerializer):
    """The permission of a tenant, the grantee, to subscribe to events of another one."""

    id = IdField(Grant.prefix, read_only=True)
    tenant = IdField(
        Tenant.prefix, source="tenant_id", read_only=True, help_text="Id of the tenant whose events are shared."
    )
    grantee = GranteeField(
        help_text="Tenant that may subscribe: its id, with a platform key also its `uid`; returned as the id. Cannot "
        "be changed."
    )
    event_types = EventTypesField(
        help_text="Types that are shared: exact ones, `order.*` for all types below order, or `*` for all. Events of "
        "the platform itself cannot be shared. At most 100."
    )
    pattern = PatternField(
        required=False,
        allow_null=True,
        help_text="Event pattern that the event must match to be shared. Null: every event of these types.",
    )

    class Meta:
        model = Grant
        fields = [
            *("id", "tenant", "grantee", "event_types", "pattern", "description", "ended_at", "created_at"),
            "updated_at",
        ]
        read_only_fields = ["ended_at", "created_at", "updated_at"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse another grantee than the stored one."""
        if self.instance is not None and attrs.pop("grantee", self.instance.grantee) != self.instance.grantee:
            raise ValidationError({"grantee": ["Cannot be changed; end this grant and create another."]})
        return attrs


def _is_no_id(text: str) -> bool:
    try:
        parse(Tenant.prefix, text)
    except ValueError:
        return is_uid(text)
    return False
