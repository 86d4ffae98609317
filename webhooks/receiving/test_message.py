"""Send a test message to a source: a sample, signed as its sender would sign it, through the steps of the inbound view.

It is stored and handled like any other message, but its response does not wait for the handlers, because that would
occupy a thread of the API. Where only the sender has the signing key, SenderKeyRequired is raised. What is shown of the
message contains no secret, not even under a scheme that sends the secret itself.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from io import BytesIO
from urllib.parse import urlsplit

import orjson
from django.core.handlers.wsgi import WSGIRequest
from django.utils import timezone

from webhooks.kit.bodies.stored_headers import redact_credentials
from webhooks.models import Receipt, Rejection, Source
from webhooks.receiving.inbound_view import respond
from webhooks.schemes import Scheme, SignedMessage, UnsignedMessage
from webhooks.sources.snapshot import SourceSnapshot, find_source
from webhooks.wire.ids import first_id_at, new_id, parse, public

EVENT_TYPE = "waypost.test"


class NoActiveSecret(ValueError):
    """The source has no active secret; add one first."""


@dataclass(frozen=True, slots=True)
class SentTestMessage:
    """A test message (headers without credentials), its response, and the receipt or rejection it became."""

    url: str
    headers: dict[str, str]
    body: str
    status: int
    response: str
    receipt: Receipt | None
    rejection: Rejection | None

    @property
    def reason(self) -> str:
        """Return the reason phrase of the status."""
        return HTTPStatus(self.status).phrase


def send_test_message(source: Source, url: str, *, event_type: str = "", body: str = "") -> SentTestMessage:
    """Send a sample to this source. ``url`` is its absolute URL here; ``body`` replaces the sample's body.

    Raises SenderKeyRequired, NoActiveSecret, and SignatureError if the source's configuration cannot work.
    """
    snapshot = find_source(source.public_id)
    if snapshot is None:
        raise NoActiveSecret(str(NoActiveSecret.__doc__))
    started = timezone.now()
    sample = sign_sample(snapshot, url, event_type, body.encode() or None)
    everywhere = replace(snapshot, response_timeout_seconds=0, allowed_networks=[])
    response = respond(_request(url, sample), everywhere)
    content = response.headers_and_body()[1]
    headers = {name.lower(): text for name, text in sample.headers.items()}
    return SentTestMessage(
        url=_with_query(snapshot.public_url or url, sample),
        headers=redact_credentials(headers, snapshot.credential_headers),
        body=sample.body.decode("utf-8", "replace"),
        status=response.status,
        response=content.decode("utf-8", "replace"),
        receipt=_receipt(source, started, sample.body, content),
        rejection=_rejection(source, started, response.status),
    )


def sign_sample(
    source: SourceSnapshot, url: str, event_type: str = "", body: bytes | None = None, message_id: str = ""
) -> SignedMessage:
    """Return a sample signed as the sender of this source signs; what is empty or None is chosen.

    Raises SenderKeyRequired, NoActiveSecret, and SignatureError if the source's configuration cannot work.
    """
    event_type = event_type or EVENT_TYPE
    scheme = source.scheme_with_options
    secrets = source.active_secrets(timezone.now())
    if scheme.needs_secret and not secrets:
        raise NoActiveSecret(str(NoActiveSecret.__doc__))
    message_id = message_id or public("msg", new_id())
    message = UnsignedMessage(
        body=_sample_body(scheme, message_id, event_type) if body is None else body,
        url=source.public_url or url,
        now=int(time.time()),
        message_id=message_id,
        event_type=event_type,
    )
    return scheme.sign(secrets[0].text if secrets else "", message)


def _sample_body(scheme: Scheme, message_id: str, event_type: str) -> bytes:
    """Return a body with the id where the provider puts it."""
    document: dict[str, object] = {"type": event_type, "data": {"hello": "world"}}
    if scheme.id_path:
        document = {scheme.id_path.strip("/"): message_id, **document}
    return orjson.dumps(document)


def _request(url: str, sample: SignedMessage) -> WSGIRequest:
    """Return the request as a WSGI server would pass it (PEP 3333)."""
    parts = urlsplit(url)
    environ: dict[str, object] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": parts.path,
        "QUERY_STRING": sample.query,
        "SERVER_NAME": parts.hostname or "",
        "SERVER_PORT": str(parts.port or (443 if parts.scheme == "https" else 80)),
        "HTTP_HOST": parts.netloc,
        "CONTENT_LENGTH": str(len(sample.body)),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": BytesIO(sample.body),
        **_variables(sample.headers),
    }
    return WSGIRequest(environ)


def _variables(headers: Mapping[str, str]) -> dict[str, str]:
    named = {name.upper().replace("-", "_"): value for name, value in headers.items()}
    return {name if name == "CONTENT_TYPE" else f"HTTP_{name}": value for name, value in named.items()}


def _with_query(url: str, sample: SignedMessage) -> str:
    return f"{url}?{sample.query}" if sample.query else url


def _receipt(source: Source, started: datetime, body: bytes, response: bytes) -> Receipt | None:
    """Return the receipt that the response names, or under a response_body the newest with this body."""
    rows = Receipt.objects.defer("body").filter(source=source)
    try:
        return rows.filter(id=parse("rcp", orjson.loads(response)["receipt"])).first()
    except (ValueError, TypeError, KeyError):
        digest = hashlib.sha256(body).hexdigest()
        return rows.filter(id__gte=first_id_at(started), sha256=digest).order_by("-id").first()


def _rejection(source: Source, started: datetime, status: int) -> Rejection | None:
    """Return the rejection of the message, unless it was suppressed."""
    if status < HTTPStatus.BAD_REQUEST:
        return None
    return Rejection.objects.filter(source=source, id__gte=first_id_at(started)).order_by("-id").first()
