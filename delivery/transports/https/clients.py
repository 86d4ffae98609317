"""Keep, for the endpoints of one drain, what writes their requests, and which addresses these may go to."""

from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit
from uuid import UUID

from delivery.transports.https.http_batch import HttpBatchClient
from delivery.transports.https.kind import HttpsClient, HttpsKind
from subscriptions.endpoints.destinations.registry import find_kind
from subscriptions.routing.targets import HTTP_BATCH, DeliveryTarget, address_guard

MAX_KEPT = 10_000  # endpoints; beyond it all are forgotten and made again
MAX_GUARDS = 1_000

Admits = Callable[[str], bool]


class HttpsClients:
    """Hold one client for each endpoint, as long as its settings stay the same."""

    def __init__(self) -> None:
        self._clients: dict[UUID, tuple[DeliveryTarget, HttpsClient]] = {}
        self._guards: dict[str, Admits | None] = {}

    def find(self, target: DeliveryTarget) -> HttpsClient | None:
        """Return the client of an endpoint; None if its credentials cannot be read."""
        known = self._clients.get(target.endpoint_id)
        if known is not None and known[0] is target:
            return known[1]
        if known is not None and target.connection is not None and known[0].connection == target.connection:
            return known[1]
        client = _made(target)
        if client is not None:
            if len(self._clients) >= MAX_KEPT:
                self._clients.clear()
            self._clients[target.endpoint_id] = (target, client)
        return client

    def guard(self, client: HttpsClient, url: str) -> Admits | None:
        """Return whether an attempt to this URL may connect to an address; None: nothing may be sent there."""
        if isinstance(client, HttpBatchClient):
            return client.admits
        origin = urlsplit(url)._replace(path="", query="").geturl()
        if origin not in self._guards:
            if len(self._guards) >= MAX_GUARDS:
                self._guards.clear()
            self._guards[origin] = address_guard(origin)
        return self._guards[origin]


def _made(target: DeliveryTarget) -> HttpsClient | None:
    if target.kind == HTTP_BATCH:
        client = HttpBatchClient(target)
        return client if client.may_send else None
    if target.connection is None:
        return None
    return cast("HttpsKind", find_kind(target.kind)).client(target.connection)
