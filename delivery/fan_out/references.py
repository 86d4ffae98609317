"""Send a reference instead of an event's data: a claim check with a link to fetch the data by.

The link is the attribute ``dataref`` (CloudEvents extension "Dataref"); ``datasha256`` (hex) and ``datasize`` (bytes)
describe the bytes of ``data`` behind it. The link is part of the delivery's body, which is fixed when the event is
published, so that retries and replays send the same bytes; it is therefore valid until the event's retention ends,
after which no retry or replay happens. It is a capability: every holder can read the data of this one event, until it
expires or the endpoint is deleted.
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer

from delivery.fan_out.masking import is_shaped
from delivery.models import Event as StoredEvent
from subscriptions.models import Endpoint
from subscriptions.routing.route_table import Route
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import read_structured, write_structured
from webhooks.wire.ids import parse, public

PATH = "data"  # below /api/v1/
SALT = "waypost.dataref"


class UnknownLink(Exception):
    """The link has no valid signature, or its endpoint is deleted."""


class LinkExpired(Exception):
    """The link was valid, but the event or its data is no longer kept."""


@dataclass(frozen=True, slots=True)
class ReferencedData:
    """The data behind a link, with its SHA-256 digest."""

    content_type: str
    body: bytes
    sha256: bytes


def wants_reference(route: Route, event: Event) -> bool:
    """Return whether the endpoint gets a link instead of this event's data.

    Transformed and masked bodies are always complete: behind the link is the data that is stored.
    """
    if route.reference_above_bytes is None or route.transformer is not None or is_shaped(route):
        return False
    return event.data is not None and len(event.data) > route.reference_above_bytes


def reference_body(event: Event, key: UUID, endpoint_id: UUID, expires_at: int, data_digest: str) -> bytes:
    """Return the event with a link instead of its data; the link is valid until ``expires_at`` (unix seconds).

    ``data_digest``: the SHA-256 of the data, in hex.
    """
    size = len(event.data or b"")
    attributes = {
        **event.attributes,
        "dataref": _link(key, endpoint_id, expires_at),
        "datasha256": data_digest,
        "datasize": str(size),
    }
    return write_structured(replace(event, attributes=attributes, data=None, typed={**event.typed, "datasize": size}))


def fetch(event: str, endpoint: str, until: str, signature: str, *, now: float) -> ReferencedData:
    """Return the data behind the link with these parts. Raises UnknownLink, LinkExpired."""
    try:
        Signer(salt=SALT).unsign(f"{event}:{endpoint}:{until}:{signature}")
        event_id, endpoint_id, expires_at = parse("evt", event), parse("ep", endpoint), int(until)
    except (BadSignature, ValueError):
        raise UnknownLink from None
    if not Endpoint.objects.filter(id=endpoint_id, deleted_at=None, tenant__deleted_at=None).exists():
        raise UnknownLink
    row = StoredEvent.objects.filter(id=event_id).first() if now < expires_at else None
    if row is None or not row.body:
        raise LinkExpired
    stored = read_structured(bytes(row.body))
    if stored.data is None:
        raise LinkExpired
    content_type = stored.attributes.get("datacontenttype", "application/json")
    return ReferencedData(content_type, stored.data, sha256(stored.data).digest())


def _link(key: UUID, endpoint_id: UUID, expires_at: int) -> str:
    parts = f"{public('evt', key)}:{public('ep', endpoint_id)}:{expires_at}"
    return f"{settings.PUBLIC_URL}/api/v1/{PATH}/{Signer(salt=SALT).sign(parts).replace(':', '/')}/"
