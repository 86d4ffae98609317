"""A thin delivery: the event without its data, and a link to fetch it by. A claim check on the way out.

The link stands in ``dataref`` (CloudEvents extension "Dataref"), beside it ``datasha256`` (hex) and ``datasize``
(bytes) of what is behind it: exactly the bytes of ``data``. Law 5 holds: the bytes of the delivery, link included,
are fixed when the event is published, so that retries and replays send the same. Therefore the link is good for
as long as the event is kept at that moment, the tenant's retention: no retry or replay comes later than that. It is a
capability: whoever has it may read this one event's data, until it expires or the endpoint is deleted.
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer

from delivery.models import Event as StoredEvent
from subscriptions.models import Endpoint
from subscriptions.routing.route_table import Route
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import read_structured, write_structured
from webhooks.wire.ids import parse, public

__all__ = ["PATH", "Data", "Expired", "Unknown", "fetch", "is_thin", "thinned"]

PATH = "data"  # below /api/v1/
SALT = "waypost.dataref"


class Unknown(Exception):
    """There is nothing behind this link, or it is not one of ours."""


class Expired(Exception):
    """There was something behind this link."""


@dataclass(frozen=True, slots=True)
class Data:
    """What is behind a link."""

    content_type: str
    body: bytes
    sha256: bytes


def is_thin(route: Route, event: Event) -> bool:
    """Whether this endpoint gets a link instead of the data of this event. A transformer decides the bytes itself."""
    if route.reference_above_bytes is None or route.transformer is not None:
        return False
    return event.data is not None and len(event.data) > route.reference_above_bytes


def thinned(event: Event, key: UUID, endpoint_id: UUID, until: int) -> bytes:
    """The bytes of the delivery; the link is good until that unix second."""
    data = event.data or b""
    attributes = {
        **event.attributes,
        "dataref": _link(key, endpoint_id, until),
        "datasha256": sha256(data).hexdigest(),
        "datasize": str(len(data)),
    }
    return write_structured(replace(event, attributes=attributes, data=None))


def fetch(event: str, endpoint: str, until: str, signature: str, *, now: float) -> Data:
    """The data behind the link of these parts. Raises Unknown, Expired."""
    try:
        Signer(salt=SALT).unsign(f"{event}:{endpoint}:{until}:{signature}")
        event_id, endpoint_id, expires_at = parse("evt", event), parse("ep", endpoint), int(until)
    except (BadSignature, ValueError):
        raise Unknown from None
    if not Endpoint.objects.filter(id=endpoint_id, deleted_at=None, tenant__deleted_at=None).exists():
        raise Unknown
    row = StoredEvent.objects.filter(id=event_id).first() if now < expires_at else None
    if row is None or not row.body:
        raise Expired
    stored = read_structured(bytes(row.body))
    if stored.data is None:
        raise Expired
    content_type = stored.attributes.get("datacontenttype", "application/json")
    return Data(content_type, stored.data, sha256(stored.data).digest())


def _link(key: UUID, endpoint_id: UUID, until: int) -> str:
    parts = f"{public('evt', key)}:{public('ep', endpoint_id)}:{until}"
    return f"{settings.PUBLIC_URL}/api/v1/{PATH}/{Signer(salt=SALT).sign(parts).replace(':', '/')}/"
