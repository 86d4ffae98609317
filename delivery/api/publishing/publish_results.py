"""Show the result of publishing one event: its fields, or the problem it was not accepted for."""

from http import HTTPStatus
from typing import Any

from rest_framework.exceptions import APIException, ErrorDetail, NotFound, ValidationError

from delivery.publishing.plain_form import EXTENSIONS
from delivery.publishing.results import (
    ContentConflict,
    EventLimitExceeded,
    Published,
    SchemaMismatch,
    UnknownTenantNamed,
    warning_list,
)
from subscriptions.api.conventions.errors import as_api_exception
from subscriptions.api.problems import PlanExceeded
from subscriptions.api.tenancy import UnknownTenant
from webhooks.kit.fair.shares import ShareExceeded
from webhooks.kit.native_request import BodyCutShort, BodyTooSlow
from webhooks.kit.rest.errors import Conflict
from webhooks.wire.errors import InvalidEvent

CLIENT_GONE = 499  # what nginx logs for a client that closes the connection before the response


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
    kind = Conflict if isinstance(error, ContentConflict) else ValidationError
    return kind(field_errors(error))


def status_of(error: Exception) -> int:
    """Return the status with which the web server responds to an error of a request that publishes."""
    match error:
        case BodyCutShort():
            return CLIENT_GONE
        case BodyTooSlow():
            return HTTPStatus.REQUEST_TIMEOUT
        case ShareExceeded():
            return HTTPStatus.SERVICE_UNAVAILABLE
    known = as_api_exception(error)
    return HTTPStatus.INTERNAL_SERVER_ERROR if known is None else known.status_code


def field_errors(error: InvalidEvent) -> dict[str, Any]:
    """Return what is wrong with each member of an event, for a ValidationError; extensions below their member."""
    errors: dict[str, Any] = {}
    for path, fault in error.faults.items():
        name, _, extension = path.partition(".")
        detail = [ErrorDetail(fault.reason, fault.code)]
        if name == EXTENSIONS and extension:
            errors.setdefault(name, {})[extension] = detail
        else:
            errors[path or "non_field_errors"] = detail
    return errors


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
