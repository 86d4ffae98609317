"""Find the rules of a kind of endpoints: the module or object that checks and writes its settings.

The settings of a kind are one row, related to the endpoint: ``endpoint.http`` for the kind ``http``, and
``endpoint.destination`` for every other one. Its text is the address of the endpoint.
"""

from collections.abc import Collection, Mapping
from typing import Any, Protocol
from uuid import UUID

from subscriptions.endpoints.destinations.registry import HTTP
from subscriptions.endpoints.destinations.settings import DestinationRules
from subscriptions.endpoints.http import settings as http
from subscriptions.models import Endpoint


class Kind(Protocol):
    """Write what only one kind of endpoint has."""

    @property
    def FIELDS(self) -> Collection[str]:  # noqa: N802  # a constant of a module, too
        """Names of the fields that only this kind has."""

    def checked(self, fields: Mapping[str, Any], tenant_id: UUID, endpoint: Endpoint | None = None) -> dict[str, Any]:
        """Return the fields in the form in which they are stored. Raises Invalid for a field that is not allowed.

        ``endpoint``: the one that is changed; None for a new one. Called outside a transaction, so it may suspend the
        request. Raises LimitReached if the tenant has too much of that in progress.
        """

    def assign(self, endpoint: Endpoint, fields: Mapping[str, Any]) -> Any:
        """Return the endpoint's row of settings, new or stored, with these fields set in memory."""

    def save(self, row: Any) -> None:
        """Write the row that ``assign`` returned, after the endpoint and in the same transaction."""


def rules_of(kind: str) -> Kind:
    """Return the rules of a kind, also of one that is not installed."""
    return http if kind == HTTP else DestinationRules(kind)


def foreign_fields(kind: str) -> Collection[str]:
    """Return the names of the fields that endpoints of this kind do not have, and others have."""
    return {*http.FIELDS, *DestinationRules(kind).FIELDS} - {*rules_of(kind).FIELDS}
