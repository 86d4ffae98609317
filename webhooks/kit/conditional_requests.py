"""A change that names the entity tag it was made for takes place only if the row still is what was seen.

RFC 9110, section 13.1.1. The row is locked, looked at once more, and then changed, in one transaction.
"""

from typing import Any, TypeVar

import orjson
from django.db import transaction
from django.db.models import Model
from rest_framework.exceptions import APIException, NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ModelViewSet

from webhooks.wire.etags import etag_of, is_match

__all__ = ["Preconditioned", "Stale"]

M = TypeVar("M", bound=Model)


class Stale(APIException):
    """412: it is not what the caller has seen."""

    status_code = 412
    default_code = "stale"
    default_detail = "It was changed since you have read it: read it again."


class Preconditioned(ModelViewSet[M]):
    """Entity tags for a resource that one reads and changes."""

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row = self.get_object()
        return Response(self.get_serializer(row).data, headers={"ETag": self.tag(row)})

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The change is judged first, since judging may look a name up: no network inside a transaction."""
        serializer = self.get_serializer(self.get_object(), data=request.data, partial=kwargs.pop("partial", False))
        serializer.is_valid(raise_exception=True)
        with transaction.atomic():
            self.hold()
            self.perform_update(serializer)
            row = self.get_object()
            return Response(self.get_serializer(row).data, headers={"ETag": self.tag(row)})

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            self.hold()
            return super().destroy(request, *args, **kwargs)

    def hold(self) -> None:
        """The row is what the request says it has seen, and stays so until the transaction ends. Raises Stale, and
        NotFound if it was deleted meanwhile."""
        seen = self.request.headers.get("If-Match")
        if seen is None:
            return
        held = self.get_queryset().select_for_update(of=("self",)).filter(pk=self.get_object().pk).first()
        if held is None:
            raise NotFound
        if not is_match(seen, self.tag(held)):
            raise Stale

    def tag(self, row: M) -> str:
        """The entity tag of the row as it is shown."""
        return etag_of(orjson.dumps(self.get_serializer(row).data, default=str, option=orjson.OPT_SORT_KEYS))
