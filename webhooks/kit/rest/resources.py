"""Declare the resources of the REST API: lists, reading, and writing with ``If-Match``.

A change with an ``If-Match`` header happens only if the row still has that tag (RFC 9110, section 13.1.1), which every
response about one row has: the row is locked, compared and changed in one transaction. Without the header the last
change wins.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.http import HttpResponse
from rest_framework import status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.viewsets import GenericViewSet

from webhooks.kit.encryption import keyed_digests
from webhooks.kit.postgresql.deadlocks import run_despite_deadlocks
from webhooks.kit.rest.errors import PreconditionFailed
from webhooks.kit.rest.lookup import find
from webhooks.kit.rest.pages import CursorPages
from webhooks.kit.rest.query_params import QueryParams
from webhooks.kit.rest.scoped_view import ScopedView
from webhooks.kit.rows import is_uid, uid_format
from webhooks.wire.etags import etag_of, etag_of_document, is_match
from webhooks.wire.ids import parse

M = TypeVar("M", bound=Model)
NO_STORE = {"Cache-Control": "no-store"}  # headers of a response with a secret


class Listed(ScopedView[M]):
    """List rows in pages, newest first. The filters are fields of ``query_params``."""

    pagination_class = CursorPages
    unindexed = Q()  # read by the pages
    filters: QueryParams

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filtered_rows())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def filtered_rows(self) -> QuerySet[M]:
        """Return the rows that the query parameters select, without the conditions that no index serves."""
        pages = {str(it["name"]) for it in CursorPages().get_schema_operation_parameters(self)}
        params = self.filters = self.query_params.read(self.request, known=pages, context=self.get_serializer_context())
        self.unindexed = params.condition(unindexed=True)
        rows = self.limited(self.select(self.tenant_id(), **params.arguments))
        return rows.filter(params.condition(unindexed=False))

    def select(self, tenant_id: UUID | None, **arguments: Any) -> QuerySet[M]:
        """Return the rows of a tenant; ``arguments`` are the query parameters that are not filters."""
        return self.rows(tenant_id, **arguments)


class ListView(Listed[M]):
    """A list below a resource, with a path of its own."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)


class ReadOnlyResource(Listed[M], GenericViewSet[M]):
    """A resource that clients list and read."""

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.shown(self.get_object())

    def shown(self, row: M) -> Response:
        """Return the response that shows a row; its entity tag is that of the content (config.api)."""
        return Response(self.get_serializer(row).data)


class Resource(ReadOnlyResource[M]):
    """A resource that clients also create, replace, change and delete.

    ``create_row``, ``change_row`` and ``delete_row`` each call one function of the app. A resource that lacks one of
    the methods leaves it out of ``http_method_names``.
    """

    create_serializer_class: ClassVar[type[Serializer[Any]] | None] = None
    """The serializer of the body that creates a row, if it differs."""
    creates_by_put: ClassVar[bool] = False
    """Whether a PUT to a uid that no row has creates one with this uid."""

    def shown(self, row: M) -> Response:
        """Return the response that shows a row, with the entity tag that ``If-Match`` is compared with."""
        return Response(self.get_serializer(row).data, headers={"ETag": self.tag(row)})

    def create_row(self, fields: dict[str, Any]) -> Response:
        """Create a row from validated fields and return ``created(row)``."""
        raise NotImplementedError

    def change_row(self, row: M, fields: dict[str, Any]) -> M:
        """Change a row and return it as it is now."""
        raise NotImplementedError

    def delete_row(self, row: M) -> None:
        """Delete a row."""
        raise NotImplementedError

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.create_row(self.body(self.create_serializer_class))

    def update(self, request: Request, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        if self.creates_by_put and not partial and self.is_free_uid():
            try:
                return self.create_by_put(request)
            except Exception:
                if self.is_free_uid():
                    raise
                # another request has created it meanwhile: replace it
        row = self.get_object()
        data = request.data if partial else self.with_uid_of_path(request.data)
        serializer = self.get_serializer(row, data=data, partial=partial)
        serializer.is_valid(raise_exception=True)
        try:
            return self.shown(self.write(row, serializer.validated_data))
        except ObjectDoesNotExist:  # deleted since it was fetched
            raise NotFound from None

    def with_uid_of_path(self, data: Any) -> Any:
        """Return the body of a PUT with the uid by which the path names the row, unless the body has one."""
        ref = self.kwargs["ref"]
        return {"uid": ref, **data} if isinstance(data, Mapping) and self.names_by_uid(ref) else data

    def names_by_uid(self, ref: str) -> bool:
        """Return whether this part of a path is a uid, not an id."""
        model: Any = self.get_queryset().model
        if not hasattr(model, "uid") or not is_uid(ref):
            return False
        try:
            parse(model.prefix, ref)
        except ValueError:
            return True
        return False

    def is_free_uid(self) -> bool:
        """Return whether the path names a row by a uid that none has.

        Raises ValidationError if it cannot be a uid, and PreconditionFailed if the row has to match.
        """
        rows: Any = self.get_queryset()  # of a model with a uid
        if not is_uid(self.kwargs["ref"]):
            raise ValidationError({"uid": [uid_format.message]})
        if not self.names_by_uid(self.kwargs["ref"]) or find(rows, self.kwargs["ref"]) is not None:
            return False
        if "If-Match" in self.request.headers:
            raise PreconditionFailed
        return True

    def create_by_put(self, request: Request) -> Response:
        """Create the row that a PUT names. Raises ValidationError for a body with another uid than the path has."""
        data, kind = self.with_uid_of_path(request.data), self.create_serializer_class or self.get_serializer_class()
        serializer = kind(data=data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        fields = dict(serializer.validated_data)
        if fields["uid"] != self.kwargs["ref"]:
            raise ValidationError({"uid": ["Must be the uid in the path, or be left out."]})
        return self.create_row(fields)

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, partial=True, **kwargs)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row = self.get_object()
        try:
            run_despite_deadlocks(partial(self._delete, row))
        except ObjectDoesNotExist:  # deleted since it was fetched
            raise NotFound from None
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _delete(self, row: M) -> None:
        with transaction.atomic():
            self.lock_if_match(row)
            self.delete_row(row)

    def write(self, row: M, fields: dict[str, Any]) -> M:
        """Change the row if it matches. A change that calls other hosts before it writes overrides this."""
        return run_despite_deadlocks(partial(self._change, row, fields))

    def _change(self, row: M, fields: dict[str, Any]) -> M:
        with transaction.atomic():
            self.lock_if_match(row)
            return self.change_row(row, dict(fields))

    def lock_if_match(self, row: M) -> None:
        """Lock the row until the transaction ends, if the request has an ``If-Match`` header.

        Raises PreconditionFailed if the row has another entity tag, and NotFound if it was deleted meanwhile.
        """
        header = self.request.headers.get("If-Match")
        if header is None:
            return
        locked = self.get_queryset().select_for_update(of=("self",), no_key=True).filter(pk=row.pk).first()
        if locked is None:
            raise NotFound
        if not is_match(header, self.tag(locked)):
            raise PreconditionFailed

    def tag(self, row: M) -> str:
        """Return the entity tag of the row.

        A caller who gets fields of it hidden gets a keyed tag: a guess of them could be tested on another one.
        """
        etag = etag_of_document(self.tagged(row))
        return etag_of(keyed_digests("entity tag", etag)[0]) if self.hides_fields(self.request) else etag

    def tagged(self, row: M) -> Any:
        """Return the document of which the entity tag is made: the row as it is shown."""
        return self.get_serializer(row).data

    def created(self, row: M, *, warnings: Sequence[str] = (), **secrets: str) -> Response:
        """Return the response to a creation; ``secrets`` are shown in it and never again."""
        body = {**self.get_serializer(row).data, **secrets, **({"warnings": warnings} if warnings else {})}
        headers = {"ETag": self.tag(row), **(NO_STORE if secrets else {})}
        return Response(body, status.HTTP_201_CREATED, headers=headers)
