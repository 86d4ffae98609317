"""Compose the request of an attempt again, to show what was sent.

Composing is deterministic: the bytes of the body were fixed when the event was published or transformed, and the
signature depends on the body, the secrets and the second in which the attempt started. So nothing of a request is
stored. What cannot be composed again, because the endpoint was changed since, is left out and named in ``changed``.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from delivery.models import Attempt, Delivery, Event
from delivery.sql.claim import ENCRYPTED_FORMS, Claimed, opened
from delivery.sql.keyed.supersede import find_superseded
from delivery.transports.http.shown_request import MASK, SIGNATURE_PLACEHOLDER, ShownRequest
from delivery.transports.outcome import Failure
from delivery.transports.shown_request import shown_request
from delivery.transports.transport import NotSent
from subscriptions.models import Endpoint
from subscriptions.routing.targets import read_target
from webhooks.wire.signing.aws_sigv4 import DATE, PAYLOAD_HASH

# A drain reads the settings of its endpoints about once a second, so an attempt may have been made with those that were
# valid shortly before it.
SETTINGS_AGE = timedelta(seconds=5)
URL, CREDENTIALS, CONTENT_MODE, SECRETS, SETTINGS = "url", "credentials", "content_mode", "secrets", "settings"
UNMASKED = "unmasked"  # no change: the body is not shown, since only the endpoint is cleared for it
CHANGES = (URL, CREDENTIALS, CONTENT_MODE, SECRETS, SETTINGS, UNMASKED)
CHOICES = [(it, it) for it in CHANGES]
NOTHING_SENT = (Failure.UNSIGNED, Failure.CREDENTIALS, Failure.INTERNAL, Failure.TOO_LARGE)


@dataclass(frozen=True, slots=True)
class SentRequest:
    """Hold the request of one attempt; None stands for what an endpoint's change since then has made unknown.

    ``signed_at``: unix seconds. ``changed``: which of CHANGES the endpoint has had since the attempt.
    """

    method: str
    url: str | None
    headers: dict[str, str] | None
    body: bytes | None
    signed_at: int
    changed: tuple[str, ...] = ()
    curl: str | None = None


def sent_request(delivery: Delivery, attempt: Attempt) -> SentRequest | None:
    """Return the request of an attempt; None if nothing was sent, or if the payload was erased."""
    return None if attempt.error in NOTHING_SENT else _composed(delivery, attempt.started_at, is_sent=True)


def next_request(delivery: Delivery) -> SentRequest | None:
    """Return the request as it would be sent now, without a signature; None if it cannot be composed."""
    return _composed(delivery, timezone.now(), is_sent=False)


def changes_since(endpoint: Endpoint, moment: datetime) -> set[str]:
    """Return which of CHANGES an endpoint has had since an attempt at ``moment``."""
    http, destination = getattr(endpoint, "http", None), getattr(endpoint, "destination", None)
    changed_at = {
        URL: http and http.url_changed_at,
        CREDENTIALS: http and http.credentials_changed_at,
        CONTENT_MODE: http and http.content_mode_changed_at,
        SECRETS: endpoint.secrets_changed_at,
        SETTINGS: destination and destination.settings_changed_at,
    }
    return {name for name, at in changed_at.items() if at is not None and at > moment - SETTINGS_AGE}


def _composed(delivery: Delivery, at: datetime, *, is_sent: bool) -> SentRequest | None:
    event = Event.objects.only("body", "payload_deleted_at").filter(pk=delivery.event_id).first()
    target = read_target(delivery.endpoint_id, at)
    if event is None or event.payload_deleted_at is not None or target is None:
        return None
    own_body, form = Delivery.objects.values_list("body", "form").get(pk=delivery.pk)
    claimed = Claimed(
        id=delivery.id,
        endpoint_id=delivery.endpoint_id,
        event_id=delivery.event_id,
        attempts=0,
        step=0,
        due_at=at,
        body=bytes(event.body if own_body is None else own_body),
        rendered=own_body is not None and form not in (Delivery.Form.EVENT, Delivery.Form.ENCRYPTED_EVENT),
        content_type=delivery.content_type,
        superseded=find_superseded([delivery.id]).get(delivery.id),
    )
    claimed = opened(claimed, form)
    changed = changes_since(delivery.endpoint, at) if is_sent else set()
    if form in ENCRYPTED_FORMS:
        changed.add(UNMASKED)
    if claimed.rendered:
        changed.discard(CONTENT_MODE)  # a body of its own is the same in each mode
    request = shown_request(claimed, target, at.timestamp(), is_signed=is_sent and SECRETS not in changed)
    return None if isinstance(request, NotSent) else _without_changed(request, changed)


def _without_changed(request: ShownRequest, changed: set[str]) -> SentRequest:
    """Return the request without what its endpoint's changes have made unknown."""
    unknown = {name for name, value in request.headers.items() if _is_unknown(name, value, changed)}
    headers = {name: value for name, value in request.headers.items() if name not in unknown}
    is_unknown_content = not changed.isdisjoint((CONTENT_MODE, SETTINGS, UNMASKED))
    return SentRequest(
        method=request.method,
        url=None if URL in changed or SETTINGS in changed else request.url,
        headers=None if is_unknown_content else headers,
        body=None if is_unknown_content else request.body,
        signed_at=request.signed_at,
        changed=tuple(name for name in CHANGES if name in changed),
        curl=None if changed else request.curl,
    )


def _is_unknown(name: str, value: str, changed: set[str]) -> bool:
    return (
        (URL in changed and name == "host")
        or (SECRETS in changed and value == SIGNATURE_PLACEHOLDER)
        or (CREDENTIALS in changed and (value == MASK or name in (DATE, PAYLOAD_HASH)))
    )
