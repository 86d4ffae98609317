"""Define the signals about results of receipts between the receiver, which has them, and the app that has endpoints.

    endpoints_named   finds endpoints of a tenant by their ids or uids: arguments ``tenant_id`` and ``names``. Each
                      receiver returns the id of each endpoint that it knows, by name.
    receipts_ended    is sent in the transaction that ends receipts of tenants: argument ``ended``, a list of
                      EndedReceipt. A receiver stores what is to be published of them.

Exceptions of receivers undo the transaction. Without the provider none is connected, and no source names an endpoint.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.dispatch import Signal

endpoints_named = Signal()
receipts_ended = Signal()

RESULTS = ("on_success", "on_failure")  # members of a handler of a source, each with the id of an endpoint


@dataclass(frozen=True, slots=True)
class EndedReceipt:
    """A receipt that is processed or dead. ``endpoints``: ids of those that its handlers name for this end.

    ``condition``: processed, skipped, or the cause of its death. ``body`` returns its body; None if it is large, or not
    as it was sent.
    """

    id: UUID
    tenant_id: UUID
    source_id: UUID
    message_id: str
    event_type: str
    content_type: str
    handlers: Sequence[str]
    succeeded: bool
    condition: str
    attempts: int
    error: str
    traceback: str
    received_at: datetime
    endpoints: Sequence[str]
    body: Callable[[], bytes | None]
