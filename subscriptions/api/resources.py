"""A resource of the REST API: create, read, list, replace, change, delete; each write is one verb's.

Every answer about one thing carries its entity tag. A change that names the tag it was made for (``If-Match``) takes
place only if the thing still is what was seen: the row is locked, looked at once more, and then changed, in one
transaction. Without the header the last one wins, as anywhere.
"""

from typing import Any

import orjson
from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ModelViewSet

from subscriptions.api.tenancy import PreconditionFailed, TenantScoped
from webhooks.wire.etags import etag_of, is_match

__all__ = ["NO_STORE", "Resource"]

NO_STORE = {"Cache-Control": "no-store"}


class Resource(TenantScoped, ModelViewSet[Any]):
    """`make`, `change` and `perform_destroy` name the verbs."""

    lookup_field = "ref"

    def make(self, fields: dict[str, Any]) -> Response:
        raise NotImplementedError

    def change(self, row: Any, fields: dict[str, Any]) -> Any:
        raise NotImplementedError

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        return self.make(given.validated_data)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.seen(self.get_object())

    def update(self, request: Request, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        row = self.get_object()
        given = self.get_serializer(row, data=request.data, partial=partial)
        given.is_valid(raise_exception=True)
        try:
            return self.seen(self.write(row, given.validated_data))
        except ObjectDoesNotExist:  # deleted since it was fetched
            raise NotFound from None

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        row = self.get_object()
        with transaction.atomic():
            self.hold(row)
            self.perform_destroy(row)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def write(self, row: Any, fields: dict[str, Any]) -> Any:
        """The change, if the row is as it was seen. For a verb that calls out before it writes, see `Endpoints`."""
        with transaction.atomic():
            self.hold(row)
            return self.change(row, fields)

    def hold(self, row: Any) -> None:
        """Within a transaction: the row is what the request says it has seen, and stays so. Raises PreconditionFailed,
        NotFound if it was deleted meanwhile."""
        seen = self.request.headers.get("If-Match")
        if seen is None:
            return
        held = self.get_queryset().select_for_update(of=("self",), no_key=True).filter(pk=row.pk).first()
        if held is None:
            raise NotFound
        if not is_match(seen, self.tag(held)):
            raise PreconditionFailed("It was changed since you have read it: read it again.")

    def seen(self, row: Any) -> Response:
        """The answer that shows it as it is."""
        return Response(self.get_serializer(row).data, headers={"ETag": self.tag(row)})

    def show(self, row: Any, **secret: str) -> Response:
        """The answer to a creation; what is shown once comes on top."""
        body = {**self.get_serializer(row).data, **secret}
        headers = {"ETag": self.tag(row), **(NO_STORE if secret else {})}
        return Response(body, status.HTTP_201_CREATED, headers=headers)

    def tag(self, row: Any) -> str:
        """The entity tag of the row as it is shown."""
        return etag_of(orjson.dumps(self.get_serializer(row).data, default=str, option=orjson.OPT_SORT_KEYS))
