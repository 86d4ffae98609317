"""Event types over REST: they fetch, call one verb, answer.

A tenant sees the deployment's types and its own, and changes its own. An operator who names no tenant keeps the
deployment's. ``{ref}`` is an id or a name; of two types of one name, the tenant's own.
"""

from typing import Any

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions.api.authentication import principal
from subscriptions.api.event_types import openapi
from subscriptions.api.event_types.serializers import (
    EventTypeImportReportSerializer,
    EventTypeImportSerializer,
    EventTypeSerializer,
    EventTypeVersionSerializer,
)
from subscriptions.api.resources import Resource
from subscriptions.api.tenancy import TenantScoped, tenant_id_of, tenant_of
from subscriptions.event_types import registry
from subscriptions.event_types.exporting import as_asyncapi, as_openapi
from subscriptions.event_types.importing import import_openapi
from subscriptions.event_types.models import EventSchema, EventType
from subscriptions.models import Tenant
from webhooks.wire.ids import parse

__all__ = ["AsyncApi", "EventTypeVersions", "EventTypes", "Import", "OpenApi"]


class EventTypeFilter(filters.FilterSet):  # type: ignore[misc]
    """``?name=`` exactly, ``?group=``, ``?archived=false``, ``?deprecated=``, ``?search=`` in name and description"""

    search = filters.CharFilter(method="containing")

    class Meta:
        model = EventType
        fields = ["name", "group", "archived", "deprecated"]

    def containing(self, rows: QuerySet[EventType], name: str, text: str) -> QuerySet[EventType]:
        return rows.filter(Q(name__icontains=text) | Q(description__icontains=text))


def owner_of(request: Request) -> Tenant | None:
    """Whose types the request writes: its tenant's, or the deployment's for an operator who names nobody."""
    return None if tenant_id_of(request) is None else tenant_of(request)


def visible(request: Request) -> QuerySet[EventType]:
    """The types that the request may see."""
    rows = EventType.objects.select_related("tenant").prefetch_related("schemas")
    tenant_id = tenant_id_of(request)
    return rows if tenant_id is None else rows.filter(Q(tenant=None) | Q(tenant=tenant_id))


def named(request: Request, ref: str) -> EventType:
    """The type with this id or this name. Raises NotFound."""
    rows = visible(request)
    try:
        found = rows.filter(pk=parse(EventType.prefix, ref)).first()
    except ValueError:
        same = sorted(rows.filter(name=ref), key=lambda it: it.tenant_id is None)
        if tenant_id_of(request) is None:
            same = [it for it in same if it.tenant_id is None]
        found = same[0] if same else None
    if found is None:
        raise NotFound
    return found


@openapi.event_types
class EventTypes(Resource):
    """What may be published, and what it looks like."""

    queryset = EventType.objects.select_related("tenant").prefetch_related("schemas")
    serializer_class = EventTypeSerializer
    filterset_class = EventTypeFilter

    def within_tenant(self, rows: Any, path: str) -> Any:
        return visible(self.request)

    def get_object(self) -> EventType:
        row = named(self.request, self.kwargs["ref"])
        if self.request.method not in ("GET", "HEAD") and row.tenant_id is None and not self.by_operator:
            raise PermissionDenied("This type is the platform's; only its operators change it.")
        return row

    @property
    def by_operator(self) -> bool:
        return principal(self.request).is_operator

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.owner = owner_of(request)
        return super().create(request, *args, **kwargs)

    def make(self, fields: dict[str, Any]) -> Response:
        return self.show(registry.create(self.owner, fields, by_operator=self.by_operator))

    def change(self, row: EventType, fields: dict[str, Any]) -> EventType:
        return registry.change(row, fields)

    def perform_destroy(self, instance: EventType) -> None:
        registry.delete(instance)


@openapi.versions
class EventTypeVersions(TenantScoped, ListAPIView[EventSchema]):
    """The schemas of a type, newest first."""

    queryset = EventSchema.objects.all()
    serializer_class = EventTypeVersionSerializer
    filter_backends = ()

    def get_queryset(self) -> QuerySet[EventSchema]:
        if getattr(self, "swagger_fake_view", False):
            return EventSchema.objects.none()
        return named(self.request, self.kwargs["ref"]).schemas.all()


@openapi.imports
class Import(TenantScoped):
    """Event types out of the webhooks of an OpenAPI document."""

    serializer_class = EventTypeImportSerializer

    def post(self, request: Request) -> Response:
        """200 with what was, or with `dry_run` would be, created and changed; 400 and nothing written if any of it is
        not right."""
        owner = owner_of(request)
        given = EventTypeImportSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        report = import_openapi(owner, **given.validated_data, by_operator=principal(request).is_operator)
        return Response(EventTypeImportReportSerializer(report).data)


class Export(APIView):
    """The types that are not archived, as a document of another standard."""

    def types(self, request: Request) -> list[EventType]:
        """One of each name: the tenant's own before the deployment's."""
        rows = visible(request).filter(archived=False).order_by("name", "tenant_id")
        rows = rows.filter(tenant=None) if tenant_id_of(request) is None else rows
        one: dict[str, EventType] = {}
        for row in rows:
            if row.name not in one or row.tenant_id is not None:
                one[row.name] = row
        return list(one.values())


@openapi.openapi_export
class OpenApi(Export):
    """The event types as the webhooks of an OpenAPI 3.1 document."""

    def get(self, request: Request) -> Response:
        return Response(as_openapi(self.types(request)))


@openapi.asyncapi_export
class AsyncApi(Export):
    """The event types as an AsyncAPI 3.0 document."""

    def get(self, request: Request) -> Response:
        return Response(as_asyncapi(self.types(request)))
