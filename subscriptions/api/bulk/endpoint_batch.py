"""Create and replace many endpoints, with their subscriptions, in one request.

A malformed item refuses the request before anything is written. Then each item has a transaction of its own: host names
are looked up outside of any, and an item that cannot be done does not undo the others. An item is named by its uid, so
a batch that was cut short is sent again as it was.
"""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.authentication import principal
from subscriptions.api.endpoint_secrets import new_secret_field
from subscriptions.api.endpoints import Endpoints, change, create, without_current_secret
from subscriptions.api.serializers.endpoint_batch import (
    CREATED,
    FAILED,
    UPDATED,
    EndpointBatchResultSerializer,
    EndpointBatchSerializer,
    EndpointItemSerializer,
)
from subscriptions.api.serializers.endpoints import EndpointReplaceSerializer, EndpointSerializer
from subscriptions.api.tenancy import TenantScoped, tenant_of
from subscriptions.errors import AlreadyExists, Invalid
from subscriptions.models import Endpoint, Tenant
from webhooks.kit.rest.errors import TooManyRequests
from webhooks.kit.rest.resources import NO_STORE
from webhooks.outgoing.errors import LimitReached

BUDGET = 15.0  # seconds that one request may take; items that are left then fail, to be sent again
MAX_NAMED = 5  # items that an error names
NO_TIME = "The request took too long; send this item again."


class ReadItem(NamedTuple):
    """A well-formed item of a batch: its endpoint (None: to be created), its fields, and others with its uid."""

    uid: str
    row: Endpoint | None
    fields: dict[str, Any]
    others: list[int]


class EndpointBatch(TenantScoped[Endpoint]):
    """Create or replace many endpoints."""

    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    outside_transaction = True  # read by subscriptions.api.conventions.idempotency
    operations = {
        "post": (
            "Create or replace many endpoints",
            "Creates the endpoints whose `uid` is free and replaces the others, as a PUT of each would, with their "
            "`subscriptions`. A malformed item is a 400 that names it, such as `data.3.url`, and nothing is changed. "
            "Otherwise each item has a transaction and a result of its own: one that cannot be done does not undo the "
            "others. Sent again, the same batch changes nothing.",
        ),
    }

    queryset = Endpoints.queryset
    serializer_class = EndpointBatchSerializer

    @extend_schema(
        operation_id="put_endpoints", request=EndpointBatchSerializer, responses={200: EndpointBatchResultSerializer}
    )
    def post(self, request: Request) -> Response:
        tenant = tenant_of(request)
        items, until = self.read(tenant, self.body()["data"]), time.monotonic() + BUDGET
        results = [self.result(tenant, item, is_late=time.monotonic() > until) for item in items]
        counts = Counter(result["status"] for result in results)
        totals = {status: counts[status] for status in (CREATED, UPDATED, FAILED)}
        return Response({"data": results, **totals}, headers=NO_STORE)

    def read(self, tenant: Tenant, items: Sequence[dict[str, Any]]) -> list[ReadItem]:
        """Return the items as they are to be written. Raises ValidationError with the faults of all items."""
        rows = self.existing(tenant, [item["uid"] for item in items if _is_text(item.get("uid"))])
        read: list[ReadItem] = []
        faults: dict[int, Any] = {}
        repeated = _repeated_uids(items)
        for number, item in enumerate(items):
            try:
                row, fields = self.read_item(rows, item)
            except ValidationError as error:
                faults[number] = error.detail
            else:
                read.append(ReadItem(item["uid"], row, fields, repeated.get(number, [])))
        if faults:
            body: dict[str, Any] = {"data": faults}
            raise ValidationError(body)
        return read

    def existing(self, tenant: Tenant, uids: Sequence[str]) -> dict[str, Endpoint]:
        """Return the tenant's endpoints that have one of these uids, by uid."""
        rows = self.get_queryset().filter(tenant=tenant, uid__in=uids, deleted_at=None)
        return {str(row.uid): row for row in rows}

    def read_item(self, rows: dict[str, Endpoint], item: dict[str, Any]) -> tuple[Endpoint | None, dict[str, Any]]:
        """Return the endpoint of an item, None if it is to be created, and its fields. Raises ValidationError."""
        context, uid = self.get_serializer_context(), item.get("uid")
        row = rows.get(uid) if isinstance(uid, str) else None
        if row is None:
            return None, _validated(EndpointItemSerializer(data=item, context=context))
        return row, _validated(EndpointReplaceSerializer(row, data=without_current_secret(row, item), context=context))

    def result(self, tenant: Tenant, item: ReadItem, *, is_late: bool) -> dict[str, Any]:
        """Create or replace one endpoint; return what was done, or the problem.

        With other items of the same uid nothing is done, as nothing says which is meant.
        """
        shown = {"uid": item.uid, "endpoint": None, "error": None}
        try:
            if is_late:
                raise TooManyRequests("seconds", NO_TIME, 0)
            if item.others:
                message = f"Other items have the same uid: {_numbered(item.others)}. Give each uid once."
                raise AlreadyExists("uid", message)
            status, endpoint = self.put_item(tenant, item)
        except (APIException, Invalid, LimitReached) as error:
            found: Response = self.get_exception_handler()(error, self.get_exception_handler_context())
            return {**shown, "status": FAILED, "error": dict(found.data)}
        return {**shown, "status": status, "endpoint": endpoint}

    def put_item(self, tenant: Tenant, item: ReadItem) -> tuple[str, dict[str, Any]]:
        """Create or replace the endpoint of an item; return what was done, and the endpoint as it is shown.

        Raises APIException, Invalid and LimitReached.
        """
        context = self.get_serializer_context()
        if item.row is None:
            endpoint, secret = create(tenant, item.fields, by_operator=principal(self.request).is_platform)
            return CREATED, {**EndpointSerializer(endpoint, context=context).data, **new_secret_field(secret)}
        try:
            changed = change(item.row, item.fields, by_operator=principal(self.request).is_platform)
        except Endpoint.DoesNotExist:
            raise ValidationError({"uid": ["The endpoint was deleted meanwhile; send it again."]}) from None
        return UPDATED, dict(EndpointSerializer(changed, context=context).data)


def _validated(serializer: EndpointSerializer) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _repeated_uids(items: Sequence[dict[str, Any]]) -> dict[int, list[int]]:
    """Return, by item, the other items that have the same uid; without those whose uid is their own."""
    numbers: dict[str, list[int]] = {}
    for number, item in enumerate(items):
        if isinstance(uid := item.get("uid"), str):
            numbers.setdefault(uid, []).append(number)
    return {one: [it for it in same if it != one] for same in numbers.values() if len(same) > 1 for one in same}


def _numbered(items: Sequence[int]) -> str:
    shown = ", ".join(f"data[{number}]" for number in items[:MAX_NAMED])
    return f"{shown} and {len(items) - MAX_NAMED} more" if len(items) > MAX_NAMED else shown


def _is_text(uid: object) -> bool:
    return isinstance(uid, str) and "\0" not in uid
