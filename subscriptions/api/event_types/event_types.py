"""Serve event types and their versions.

A tenant reads the deployment's types and its own, and changes its own. An operator who names no tenant changes the
deployment's. ``{ref}`` is an id or a name; of two types with one name it is the tenant's own.
"""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.authentication import principal
from subscriptions.api.event_types.rendering import ExactJsonRenderer
from subscriptions.api.event_types.serializers import EventTypeSerializer, EventTypeVersionSerializer
from subscriptions.api.tenancy import TenantScoped, tenant_id_of, tenant_of
from subscriptions.event_types import registry
from subscriptions.event_types.models import EventSchema, EventType, with_current_schemas
from subscriptions.event_types.operational import operational_types
from subscriptions.models import Tenant
from webhooks.kit.rest.query_params import BooleanFilter, QueryParams, TextFilter
from webhooks.kit.rest.resources import ListView, Resource
from webhooks.wire.ids import parse


def _contains(text: str) -> Q:
    return Q(name__icontains=text) | Q(description__icontains=text)


class EventTypeFilters(QueryParams):
    """Filter event types; ``q`` looks in name and description."""

    name = TextFilter(help_text="Name of the type, exact.")
    group = TextFilter(help_text="Group in the catalogue, exact.")
    archived = BooleanFilter(help_text="Whether the type is archived. Without this filter the list has both.")
    deprecated = BooleanFilter(help_text="Whether the type is deprecated. Without this filter the list has both.")
    q = TextFilter(
        where=_contains, min_length=2, max_length=256, help_text="Text in the name or description, ignoring case."
    )


OWN_FILTERS = ("name", "group", "archived", "deprecated")


def owner_of(request: Request) -> Tenant | None:
    """Return the tenant whose types the request writes; None: the deployment's, for an operator who names no tenant."""
    return None if tenant_id_of(request) is None else tenant_of(request)


def visible_types(tenant_id: UUID | None) -> QuerySet[EventType]:
    """Return the types that a tenant may read; None: all, for operators."""
    rows = with_current_schemas(EventType.objects.all())
    return rows if tenant_id is None else rows.filter(Q(tenant=None) | Q(tenant=tenant_id))


def require_type(tenant_id: UUID | None, ref: str) -> EventType:
    """Return the type with this id or name. Raises NotFound."""
    rows = visible_types(tenant_id)
    if (operational := _operational(ref)) is not None:
        return operational
    try:
        found = rows.filter(pk=parse(EventType.prefix, ref)).first()
    except ValueError:
        same = sorted(rows.filter(name=ref), key=lambda row: row.tenant_id is None)
        if tenant_id is None:
            same = [row for row in same if row.tenant_id is None]
        found = same[0] if same else None
    if found is None:
        raise NotFound
    return found


def _operational(ref: str) -> EventType | None:
    """Return the operational type with this id or name."""
    return next((it for it in operational_types() if ref in (it.name, it.public_id)), None)


class EventTypes(TenantScoped[EventType], Resource[EventType]):
    """Event types: the meaning and the data of published events."""

    operations = {
        "list": (
            "List event types",
            "Returns the event types the tenant may publish and subscribe to: the platform's and its own. At the end, "
            "beyond `limit`, the types of the platform's own events (`waypost.*`), which cannot be changed.",
        ),
        "create": (
            "Create an event type",
            "Describes an event type: name, description, JSON Schema (draft 2020-12), examples, and what to "
            "do with events that do not match the schema (`off`, `warn`, `enforce`).",
        ),
        "retrieve": ("Get an event type", "Returns one event type with its current schema, by id or name."),
        "update": (
            "Replace an event type",
            "Sets every field of an event type. A changed schema becomes its next version; earlier versions "
            "stay readable.",
        ),
        "partial_update": (
            "Update an event type",
            "Changes the fields that are given and keeps the others. A changed schema becomes its next version.",
        ),
        "destroy": (
            "Delete an event type",
            "Deletes an event type with its schemas. Events of this type are then accepted without a check.",
        ),
    }

    queryset = with_current_schemas(EventType.objects.all())
    serializer_class = EventTypeSerializer
    query_params = EventTypeFilters
    renderer_classes = (ExactJsonRenderer,)
    keeps_numbers = True  # read by subscriptions.api.conventions.errors
    endpoint_keys_may_read = True  # they name the types in subscriptions of their endpoint

    def rows(self, tenant_id: UUID | None) -> QuerySet[EventType]:
        return visible_types(tenant_id)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the rows, and at the end of the last page, if newest come first, the operational types."""
        response = super().list(request, *args, **kwargs)
        is_last = response.data["previous" if request.query_params.get("order") == "oldest" else "next"] is None
        if is_last:
            own = self.get_serializer([it for it in operational_types() if self._selects(it)], many=True).data
            rows = response.data["data"]
            response.data["data"] = [*own, *rows] if request.query_params.get("order") == "oldest" else [*rows, *own]
        return response

    def _selects(self, row: EventType) -> bool:
        """Return whether the filters of the request select an operational type."""
        wanted = self.filters.validated_data
        text = wanted.get("q", "").lower()
        return (
            all(wanted.get(name, getattr(row, name)) == getattr(row, name) for name in OWN_FILTERS)
            and text in f"{row.name}\n{row.description}".lower()
        )

    def get_object(self) -> EventType:
        row = require_type(self.tenant_id(), self.kwargs["ref"])
        if self.request.method in ("GET", "HEAD"):
            return row
        if row._state.adding:
            raise PermissionDenied("This type is that of an operational event, which the platform defines.")
        if row.tenant_id is None and not self.by_operator:
            raise PermissionDenied("This type is the platform's; only its operators change it.")
        return row

    @property
    def by_operator(self) -> bool:
        return principal(self.request).is_platform

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.owner = owner_of(request)
        return super().create(request, *args, **kwargs)

    def create_row(self, fields: dict[str, Any]) -> Response:
        return self.created(registry.create(self.owner, fields, by_operator=self.by_operator))

    def change_row(self, row: EventType, fields: dict[str, Any]) -> EventType:
        return registry.change(row, fields)

    def delete_row(self, row: EventType) -> None:
        registry.delete(row)


class EventTypeVersions(TenantScoped[EventSchema], ListView[EventSchema]):
    """The schemas of a type, newest first."""

    operations = {
        "get": ("List an event type's schema versions", "Returns every schema the event type has had, newest first.")
    }

    queryset = EventSchema.objects.all()
    endpoint_keys_may_read = True
    serializer_class = EventTypeVersionSerializer
    renderer_classes = (ExactJsonRenderer,)

    def rows(self, tenant_id: UUID | None) -> QuerySet[EventSchema]:
        return super().rows(None).filter(event_type=require_type(tenant_id, self.kwargs["ref"]).pk)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return a page; the one version of an operational type is not stored."""
        response = super().list(request, *args, **kwargs)
        if (operational := _operational(self.kwargs["ref"])) is not None:
            response.data["data"] = self.get_serializer(operational.schemas.all(), many=True).data
        return response
