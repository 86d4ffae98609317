"""Show the result of publishing one event: its fields, or the problem it was not accepted for."""

from typing import Any

from rest_framework.exceptions import APIException, ErrorDetail, NotFound, ValidationError

from delivery.publishing.results import (
    ContentConflict,
    EventLimitExceeded,
    InvalidMembers,
    Published,
    SchemaMismatch,
    UnknownTenantNamed,
    warning_list,
)
from subscriptions.api.problems import PlanExceeded
from subscriptions.api.tenancy import UnknownTenant
from webhooks.kit.rest.errors import Conflict
from webhooks.wire.errors import InvalidEvent


def accepted(result: Published) -> dict[str, Any]:
    """Return the response to a single event. Raises the problem if it was not accepted."""
    if result.error:
        raise problem_of(result.error)
    return shown(result)


def problem_of(error: InvalidEvent) -> APIException:
    """Return the API's error for an event that was not accepted.

    404 for an unknown tenant, 409 for other content, 402, 413 or 429 beyond a limit, else 400.
    """
    if isinstance(error, EventLimitExceeded):
        return PlanExceeded(error.exceeded)
    if isinstance(error, UnknownTenantNamed):
        return NotFound() if error.is_foreign else UnknownTenant(error.name)
    if isinstance(error, SchemaMismatch):  # the code is the place in the data: see subscriptions.api.conventions.errors
        return ValidationError({"data": [ErrorDetail(it.detail, it.pointer) for it in error.finding.violations]})
    if isinstance(error, InvalidMembers):
        return ValidationError({name: [reason] for name, reason in error.reasons.items()})
    kind = Conflict if isinstance(error, ContentConflict) else ValidationError
    return kind({error.attribute or "non_field_errors": [error.reason]})


def shown(result: Published) -> dict[str, Any]:
    """Return the result of an event that was accepted, now or before."""
    return {
        "id": result.id,
        "source": result.source,
        "event_id": result.event_id,
        "duplicate": result.duplicate,
        "routing": result.routing,
        "deliveries": result.deliveries,
        **({"warnings": warning_list(result.warnings)} if result.warnings else {}),
    }
