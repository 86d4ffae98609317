"""Serve the audit: list, read, export as JSON lines."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import Q
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from webhooks.api.serializers.audit import AuditEntrySerializer
from webhooks.api.tenancy import TenantScoped
from webhooks.audit.models import AuditEntry
from webhooks.audit.objects import audited_models, object_named
from webhooks.kit.rest.list_filters import PeriodFilters, contains
from webhooks.kit.rest.lookup import exists
from webhooks.kit.rest.query_params import ChoiceFilter, IdFilter, NameFilter, TextFilter
from webhooks.kit.rest.resources import ReadOnlyResource
from webhooks.wire.json_numbers import stored_json

MAX_EXPORTED = 50_000  # entries of one response
EXPORT_TYPE = "application/jsonl"


def about_object(public_id: str) -> Q:
    """Return the condition for entries about the object with this id. Index: audit_by_object."""
    found = object_named(public_id)
    if found is None:
        return Q(object_key=public_id, object_type__in=("user", "group"))
    return Q(object_type=found[0], object_key=found[1])


def by_actor(actor_id: str) -> Q:
    """Return the condition for entries of one actor. Index: audit_by_actor."""
    return Q(actor_type__in=AuditEntry.Actor.values, actor_id=actor_id)


class NamedFilter(TextFilter):
    """Filter by an id. One that names nothing, and that no entry has, is an error."""

    default_error_messages = {"unknown": "Nothing has this id."}

    def to_internal_value(self, data: Any) -> str:
        public_id: str = super().to_internal_value(data)
        view = self.context["view"]
        tenant_id = view.tenant_id()
        if "\0" in public_id:
            return public_id  # a validator of the field reports it
        if not exists(public_id, tenant_id) and not view.rows(tenant_id).filter(self.condition(public_id)).exists():
            self.fail("unknown")
        return public_id


class AuditFilters(PeriodFilters):
    """Filter entries."""

    object = NamedFilter(where=about_object, help_text="Id of the object: `ep_...`. An unknown one is an error.")
    object_type = NameFilter(audited_models, unindexed=True, help_text="Type of the object, such as `endpoint`.")
    action = ChoiceFilter(AuditEntry.Action.choices, unindexed=True, help_text="What was done.")
    origin = ChoiceFilter(AuditEntry.Origin.choices, unindexed=True, help_text="Where it came from.")
    actor_type = ChoiceFilter(AuditEntry.Actor.choices, unindexed=True, help_text="Kind of the one who did it.")
    actor = NamedFilter(
        where=by_actor,
        unindexed=True,
        max_length=64,
        help_text="Id of the API key or the user, exact. An unknown one is an error.",
    )
    request_id = TextFilter(unindexed=True, help_text="Id of the request, exact.")
    q = TextFilter(
        where=contains("object_name", "actor_name", "operation"),
        unindexed=True,
        min_length=2,
        max_length=256,
        help_text="Text in the names of the object, the actor or the operation, ignoring case.",
    )


class Audited(TenantScoped[AuditEntry]):
    """Show the entries of the tenant of the key, or of all tenants with a platform key."""

    tenant_path = "tenant_id"
    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntrySerializer

    def shows_operators(self) -> bool:
        """Return whether the key may see who of the platform's operators did something: platform keys may."""
        return bool(getattr(self.request.auth, "tenant_id", None) is None)


class Audit(Audited, ReadOnlyResource[AuditEntry]):
    """Changes and operations, newest first."""

    operations = {
        "list": (
            "List audit entries",
            "Returns who changed what, newest first, with the values before and after. Publishing, deliveries and "
            "received messages have no entries. A tenant's key sees what concerns its tenant.",
        ),
        "retrieve": ("Get an audit entry", "Returns one entry of the audit."),
    }

    query_params = AuditFilters


class AuditExportFilters(AuditFilters):
    """Filter exported entries."""

    after = IdFilter(
        AuditEntry.prefix,
        where=lambda key: Q(id__gt=key),
        help_text="Id of the last entry of the export before: this one continues after it.",
    )


class AuditExport(Audited):
    """The audit as JSON lines."""

    operations = {
        "get": (
            "Export audit entries",
            f"Returns entries as JSON lines, oldest first, up to {MAX_EXPORTED:,}. Continue with `after`, the id of "
            "the last line, until there are none.",
        )
    }
    query_params = AuditExportFilters
    expensive = ("GET",)  # read by subscriptions.api.conventions.expensive_requests

    @extend_schema(operation_id="export_audit", responses={(200, EXPORT_TYPE): OpenApiTypes.STR})
    def get(self, request: Request) -> StreamingHttpResponse:
        params = self.query_params.read(request, context=self.get_serializer_context())
        condition = params.condition(unindexed=False) & params.condition(unindexed=True)
        rows = self.rows(self.tenant_id()).filter(condition).order_by("id")[:MAX_EXPORTED]
        return StreamingHttpResponse(_lines(rows, self.get_serializer_context()), content_type=EXPORT_TYPE)


def _lines(rows: Any, context: Mapping[str, Any]) -> Iterator[bytes]:
    for row in rows.iterator(chunk_size=1_000):
        yield stored_json(AuditEntrySerializer(row, context=context).data) + b"\n"
