"""Read the ``filter`` of a replay, a cancellation or a job: which rows it is about, and who may see it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from delivery.models import Replay
from delivery.publishing.known_types import objection
from delivery.reading.known_sources import source_objection
from delivery.replaying.replay_filter import FilterFault, InvalidFilter, ReplayFilter
from subscriptions.api.authentication import principal
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Endpoint, Tenant
from webhooks.wire.ids import public

M = TypeVar("M", bound=Model)


class FilteredJobView(TenantScoped[M]):
    """A view over jobs with a stored ``filter``. Keys that are limited to an endpoint see those that name it."""

    endpoint_path = "filter__endpoint"

    def limited(self, rows: QuerySet[M]) -> QuerySet[M]:
        endpoint_id = principal(self.request).endpoint_id
        return rows if endpoint_id is None else rows.filter(filter__endpoint=public(Endpoint.prefix, endpoint_id))


def read_row_filter(tenant: Tenant, given: Any, scope: str) -> ReplayFilter:
    """Read the filter in the body of a replay or a cancellation. Raises InvalidFilter."""
    faults: dict[str, FilterFault] = {}
    try:
        selected = ReplayFilter.parse(given, scope, tenant)
    except InvalidFilter as error:
        faults.update(error.faults)
    objections: dict[str, Callable[[UUID, str], str | None]] = {"type": objection, "source": source_objection}
    if scope == Replay.Scope.ARCHIVED:  # whose events are not in the tables
        del objections["source"]
    for name, object_to in objections.items():
        named = given.get(name) if isinstance(given, dict) else None
        if named and name not in faults and (message := object_to(tenant.pk, named)):
            faults[name] = FilterFault(message, "unknown")
    if faults:
        raise InvalidFilter(faults)
    return selected


@contextmanager
def filter_errors() -> Iterator[None]:
    """Turn the faults of the ``filter`` in a body into validation errors of its fields."""
    try:
        yield
    except InvalidFilter as error:
        faults = {name: [ErrorDetail(str(fault), fault.code)] for name, fault in error.faults.items()}
        raise ValidationError({"filter": faults}) from error
    except ValueError as error:
        if len(error.args) != 2:  # not about a field, but a fault of ours
            raise
        field, reason = error.args
        raise ValidationError({"filter": {field: [reason]}}) from error


def of_own_endpoint(request: Request, selected: ReplayFilter) -> ReplayFilter:
    """Return the filter, narrowed to the one endpoint of the request's key if it is limited to one.

    Raises ValueError for another endpoint, with the field's name first.
    """
    own = principal(request).endpoint_id
    if own is None or selected.endpoint == own:
        return selected
    if selected.endpoint is not None:
        raise ValueError("endpoint", "is not the endpoint that this API key is limited to")
    return replace(selected, endpoint=own)
