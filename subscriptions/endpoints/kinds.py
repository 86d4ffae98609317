"""List the kinds of endpoints, each with the module that checks and writes its settings.

The settings of a kind are one row, related to the endpoint under the kind's name (``endpoint.http``), whose text is the
address of the endpoint.
"""

from collections.abc import Collection, Mapping
from typing import Any, Protocol
from uuid import UUID

from subscriptions.endpoints.http import settings as http
from subscriptions.models import Endpoint

HTTP = "http"


class Kind(Protocol):
    """Write what only one kind of endpoint has."""

    FIELDS: Collection[str]  # names of the fields that only this kind stores

    def checked(self, fields: Mapping[str, Any], tenant_id: UUID) -> dict[str, Any]:
        """Return the fields in the form in which they are stored. Raises Invalid for a field that is not allowed.

        Called outside a transaction, so it may suspend the request. Raises LimitReached if the tenant has too much of
        that in progress.
        """

    def assign(self, endpoint: Endpoint, fields: Mapping[str, Any]) -> Any:
        """Return the endpoint's row of settings, new or stored, with these fields set in memory."""

    def save(self, row: Any) -> None:
        """Write the row that ``assign`` returned, after the endpoint and in the same transaction."""


KINDS: dict[str, Kind] = {
    HTTP: http,
}
