"""Serve the audit: list, read, export as JSON lines."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from django.db.models import Q
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from webhooks.api.serializers.audit import AuditEntrySerializer
from webhooks.api.tenancy import TenantScoped
from webhooks.audit.models import AuditEntry
from webhooks.audit.objects import object_named
from webhooks.kit.rest.list_filters import PeriodFilters, contains
from webhooks.kit.rest.query_params import ChoiceFilter, IdFilter, TextFilter
from webhooks.kit.rest.resources import ReadOnlyResource

MAX_EXPORTED = 50_000  # entries of one response
EXPORT_TYPE = "application/jsonl"


def about_object(public_id: str) -> Q:
    """Return the condition for entries about the object with this id. Index: audit_by_object."""
    found = object_named(public_id)
    if found is None:
        return Q(object_key=public_id, object_type__in=("user", "group"))
    return Q(object_type=found[0], object_key=found[1])


class AuditFilters(PeriodFilters):
    """Filter entries."""

    object = TextFilter(where=about_object, help_text="Id of the object: `ep_...`.")
    object_type = TextFilter(unindexed=True, help_text="Type of the object, such as `endpoint`.")
    action = ChoiceFilter(AuditEntry.Action.choices, unindexed=True, help_text="What was done.")
    origin = ChoiceFilter(AuditEntry.Origin.choices, unindexed=True, help_text="Where it came from.")
    actor_type = ChoiceFilter(AuditEntry.Actor.choices, unindexed=True, help_text="Kind of the one who did it.")
    actor = TextFilter(where="actor_id", unindexed=True, help_text="Id of the API key or the user, exact.")
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
        yield orjson.dumps(AuditEntrySerializer(row, context=context).data, default=str) + b"\n"
