"""Create, replace and delete many endpoints, with their subscriptions, in one request.

A malformed item refuses the request before anything is written. Then each item has a transaction of its own: host names
are looked up outside of any, and an item that cannot be done does not undo the others. An item is named by its uid, so
a batch that was cut short is sent again as it was.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.authentication import principal
from subscriptions.api.endpoint_secrets import new_secret_field
from subscriptions.api.endpoints import EndpointFilters, Endpoints, change, create, without_current_secret
from subscriptions.api.serializers.endpoint_batch import (
    CREATED,
    FAILED,
    UPDATED,
    EndpointBatchResultSerializer,
    EndpointBatchSerializer,
    EndpointItemSerializer,
    EndpointSelectionSerializer,
    SubscriptionSelectionSerializer,
)
from subscriptions.api.serializers.endpoints import EndpointReplaceSerializer, EndpointSerializer
from subscriptions.api.subscriptions import SubscriptionFilters, Subscriptions
from subscriptions.api.tenancy import TenantScoped, tenant_of
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.errors import AlreadyExists, Invalid
from subscriptions.models import Endpoint, Scope, Subscription, Tenant
from webhooks.kit.audit.operation import report
from webhooks.kit.rest.errors import TooManyRequests
from webhooks.kit.rest.query_params import QueryParams
from webhooks.kit.rest.resources import NO_STORE
from webhooks.kit.rest.selection import BulkResultSerializer, SelectionCountSerializer, SelectionSerializer
from webhooks.outgoing.errors import LimitReached

BUDGET = 15.0  # seconds that one request may take; items that are left then fail, to be sent again
MAX_DELETED = 1_000  # rows of one request
MAX_NAMED = 5  # items that an error names
MAX_COUNTED = 100_000  # rows of a preview
NO_TIME = "The request took too long; send this item again."
M = TypeVar("M", Endpoint, Subscription)


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


class Selected(TenantScoped[M]):
    """Select rows of the request's tenant by the filters of their list."""

    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    filters: ClassVar[type[QueryParams]]

    def selected(self) -> QuerySet[M]:
        """Return the rows that the body selects. Raises ValidationError for the field of the filter at fault."""
        tenant = tenant_of(self.request)
        body = self.body()
        filters = self.filters(data=body["filter"], context=self.get_serializer_context())
        if not filters.is_valid():
            raise ValidationError({"filter": filters.errors})
        rows = self.limited(self.rows(tenant.pk))
        return rows.filter(filters.condition(unindexed=False)).filter(filters.condition(unindexed=True))

    def counted(self) -> Response:
        """Return how many rows the body selects, up to MAX_COUNTED."""
        count = self.selected().order_by()[: MAX_COUNTED + 1].count()
        return Response({"total": min(count, MAX_COUNTED), "is_lower_bound": count > MAX_COUNTED})

    def deleted(self, delete: Callable[[M], object]) -> Response:
        """Delete the oldest rows that the body selects, up to MAX_DELETED and the BUDGET; return how many."""
        until, total, has_more = time.monotonic() + BUDGET, 0, False
        for row in self.selected().order_by("id")[: MAX_DELETED + 1]:
            if total == MAX_DELETED or time.monotonic() > until:
                has_more = True
                break
            delete(row)
            total += 1
        report("deleted", total)
        return Response({"total": total, "has_more": has_more})


class SelectedEndpoints(Selected[Endpoint]):
    """Select endpoints."""

    queryset = Endpoints.queryset
    serializer_class: type[SelectionSerializer] = EndpointSelectionSerializer
    filters = EndpointFilters


class EndpointsDelete(SelectedEndpoints):
    """Delete many endpoints."""

    outside_transaction = True  # read by subscriptions.api.conventions.idempotency
    operations = {
        "post": (
            "Delete endpoints by filter",
            "Deletes the endpoints that match a filter, oldest first, with their subscriptions, at most 1,000 in a "
            "request; `has_more` says whether to repeat it. Their pending deliveries become dead letters.",
        ),
    }
    required_permissions = {"POST": "subscriptions.delete_endpoint"}

    @extend_schema(operation_id="delete_endpoints", request=EndpointSelectionSerializer, responses=BulkResultSerializer)
    def post(self, request: Request) -> Response:
        return self.deleted(delete_endpoint)


class EndpointsDeletePreview(SelectedEndpoints):
    """Count the endpoints that a request would delete."""

    is_audited = False
    operations = {
        "post": ("Preview the deletion of endpoints", "Counts the endpoints that match a filter, and changes nothing.")
    }
    required_scopes = {"POST": Scope.READ}

    @extend_schema(
        operation_id="preview_delete_endpoints", request=EndpointSelectionSerializer, responses=SelectionCountSerializer
    )
    def post(self, request: Request) -> Response:
        return self.counted()


class SelectedSubscriptions(Selected[Subscription]):
    """Select subscriptions."""

    queryset = Subscriptions.queryset
    serializer_class: type[SelectionSerializer] = SubscriptionSelectionSerializer
    filters = SubscriptionFilters
    endpoint_path = "endpoint_id"


class SubscriptionsDelete(SelectedSubscriptions):
    """Delete many subscriptions."""

    outside_transaction = True  # read by subscriptions.api.conventions.idempotency
    operations = {
        "post": (
            "Delete subscriptions by filter",
            "Deletes the subscriptions that match a filter, oldest first, at most 1,000 in a request; `has_more` says "
            "whether to repeat it.",
        ),
    }
    required_permissions = {"POST": "subscriptions.delete_subscription"}

    @extend_schema(
        operation_id="delete_subscriptions", request=SubscriptionSelectionSerializer, responses=BulkResultSerializer
    )
    def post(self, request: Request) -> Response:
        return self.deleted(Subscription.delete)


class SubscriptionsDeletePreview(SelectedSubscriptions):
    """Count the subscriptions that a request would delete."""

    is_audited = False
    operations = {
        "post": (
            "Preview the deletion of subscriptions",
            "Counts the subscriptions that match a filter, and changes nothing.",
        )
    }
    required_scopes = {"POST": Scope.READ}

    @extend_schema(
        operation_id="preview_delete_subscriptions",
        request=SubscriptionSelectionSerializer,
        responses=SelectionCountSerializer,
    )
    def post(self, request: Request) -> Response:
        return self.counted()


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
