"""Choose the endpoint that a condition looks at, and name endpoints in findings."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from delivery.reading import queries
from subscriptions.models import Endpoint
from webhooks.kit.conditions.condition import Finding, Question
from webhooks.kit.kinds.setting import InvalidSettings, Setting
from webhooks.kit.rest.lookup import find

ENDPOINT = Setting(
    "endpoint",
    "Endpoint",
    "Id or `uid` of the only endpoint to look at; empty: all of them.",
    max_length=256,
    example="billing",
)
NAME_LENGTH = 256  # characters


def check_endpoint(question: Question) -> None:
    """Raise InvalidSettings if the settings name an endpoint that does not exist."""
    if question.settings.get(ENDPOINT.name) and endpoint_of(question) is None:
        raise InvalidSettings({ENDPOINT.path: "No endpoint with this id."})


def endpoint_of(question: Question) -> Endpoint | None:
    """Return the endpoint that the settings name; None if they name none, or one that does not exist."""
    ref = question.settings.get(ENDPOINT.name)
    if not ref:
        return None
    rows = queries.below(question.tenant_id, Endpoint.objects.filter(deleted_at=None))
    if question.tenant_id is None and not ref.startswith(f"{Endpoint.prefix}_"):
        return None  # a uid is unique within a tenant only
    return find(rows, ref)


def conditions_on(question: Question, path: str = "endpoint") -> Mapping[str, Any]:
    """Return the filter for rows of the endpoints to look at; ``path`` leads from a row to its endpoint."""
    chosen: dict[str, Any] = {f"{path}__deleted_at": None}
    if question.settings.get(ENDPOINT.name):
        found = endpoint_of(question)
        chosen[f"{path}__id"] = found.pk if found else UUID(int=0)
    elif question.tenant_id is not None:
        chosen[f"{path}__tenant"] = question.tenant_id
    return chosen


def name_of(endpoint: Endpoint) -> str:
    """Return the uid or the address of an endpoint, cut to what is shown."""
    return (endpoint.uid or endpoint.address)[:NAME_LENGTH]


def finding(
    endpoint: Endpoint, message: str, *, since: datetime | None = None, value: float | None = None, step: int = 0
) -> Finding:
    """Return a finding about an endpoint."""
    return Finding("endpoint", endpoint.public_id, name_of(endpoint), message, endpoint.tenant_id, since, value, step)
