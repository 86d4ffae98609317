"""Define a view over the rows of a request's tenant, which hides payloads from callers that may not see them.

Everything that it serves starts from the tenant of the request; rows of other tenants do not exist (404). Each app says
how a request names its tenant (``tenant_id``).
"""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer

from webhooks.kit.audit.operation import current_operation
from webhooks.kit.bodies.payloads import (
    Look,
    hide_payloads,
    may_see_payloads,
    record_look,
    record_look_at,
    with_payloads,
)
from webhooks.kit.rest.lookup import require
from webhooks.kit.rest.strict_views import StrictView

M = TypeVar("M", bound=Model)


class ScopedView(StrictView, GenericAPIView[M]):
    """A view over rows of the request's tenant. ``{ref}`` in the path is an id or a uid."""

    serializer_class: type[BaseSerializer[Any]] | None = None
    filter_backends = ()
    pagination_class: type[BasePagination] | None = None
    lookup_field = "ref"
    tenant_path: ClassVar[str] = "tenant_id"
    """The field path from a row to the id of its tenant."""
    endpoint_path: ClassVar[str | None] = None
    """The field path from a row to the key of its endpoint; None: keys that are limited to an endpoint are refused."""
    endpoint_keys_may_read: ClassVar[bool] = False
    """Whether keys that are limited to an endpoint may read these rows, which belong to no endpoint."""

    payload_fields: ClassVar[Collection[str]] = ()
    """The fields that hold or quote payloads, which callers whose role may not see them get hidden (see payloads)."""
    hidden_fields: ClassVar[Collection[str]] = ()
    """Further fields to hide from them: what is set up to be a payload, or leads to one. Showing them is no look."""
    required_permissions: ClassVar[Mapping[str, str]] = {}
    """The permission that a caller with a role needs for a method, if it is not that to view or change these rows."""
    subject: Model | None = None
    """The row that the path names, if all payloads in the response belong to it."""

    def tenant_id(self) -> UUID | None:
        """Return the tenant of the request; None: all tenants, for platform keys."""
        raise NotImplementedError

    def rows(self, tenant_id: UUID | None) -> QuerySet[M]:
        """Return the rows of a tenant."""
        rows: QuerySet[M] = super().get_queryset()
        return rows if tenant_id is None else rows.filter(**{self.tenant_path: tenant_id})

    def get_queryset(self) -> QuerySet[M]:
        if getattr(self, "swagger_fake_view", False):
            return super().get_queryset().none()
        return self.limited(self.rows(self.tenant_id()))

    def limited(self, rows: QuerySet[M]) -> QuerySet[M]:
        """Return those of the tenant's rows that the key of the request may use; by default all."""
        return rows

    def get_object(self) -> M:
        rows: Any = self.get_queryset()  # of a model with an id and perhaps a uid
        found: M = require(rows, self.kwargs["ref"], of_all_tenants=self.tenant_id() is None)
        self.check_object_permissions(self.request, found)
        self.subject = found
        if (operation := current_operation()) is not None:
            operation.about(found)
        return found

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        """Hide payloads or record the look, and name the new resource in ``Location`` (RFC 9110, section 15.3.2)."""
        finished: Any = super().finalize_response(request, response, *args, **kwargs)
        row = getattr(finished, "data", None)
        if self.hides_fields(request):
            hide_payloads(row, (*self.payload_fields, *self.hidden_fields))
        elif self.payload_fields and finished.status_code < 300 and request.method != "HEAD":
            self._record_look(request, with_payloads(row, self.payload_fields))
        if finished.status_code == status.HTTP_201_CREATED and isinstance(row, Mapping) and "id" in row:
            path = request.path if request.method == "POST" else request.path.rstrip("/").rpartition("/")[0] + "/"
            finished.headers.setdefault("Location", request.build_absolute_uri(f"{path}{row['id']}/"))
        found: Response = finished
        return found

    def _record_look(self, request: Request, shown: list[Any]) -> None:
        """Record that the response shows these rows with payloads, if any."""
        if shown and self.subject is not None:
            record_look_at(request, self.subject)
        elif shown:
            model: Any = super().get_queryset().model
            ids = [str(row["id"]) for row in shown]
            record_look(request, Look(str(model._meta.model_name), ids=ids, tenant_id=self.tenant_id()))

    def shows_payloads(self, request: Request) -> bool:
        """Return whether the caller may see the payloads of these rows."""
        model: Any = super().get_queryset().model
        return may_see_payloads(request, model._meta.app_label)

    def hides_fields(self, request: Request) -> bool:
        """Return whether the caller gets fields of these rows hidden."""
        return bool(self.payload_fields or self.hidden_fields) and not self.shows_payloads(request)

    def params(self) -> dict[str, Any]:
        """Return the validated query parameters of a view that is no list. Raises ValidationError."""
        return dict(self.query_params.read(self.request, context=self.get_serializer_context()).validated_data)

    def body(self, serializer_class: type[Serializer[Any]] | None = None) -> dict[str, Any]:
        """Return the validated fields of the request's body. Raises ValidationError."""
        kind = serializer_class or self.get_serializer_class()
        serializer = kind(data=self.request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)
