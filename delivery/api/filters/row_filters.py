"""Read the ``filter`` in the body of a replay, a cancellation or a job: which rows it is about."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from delivery.models import Replay
from delivery.publishing.known_types import objection
from delivery.reading.known_sources import source_objection
from delivery.replaying.replay_filter import FilterFault, InvalidFilter, ReplayFilter
from subscriptions.api.authentication import principal
from subscriptions.models import Tenant


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
