"""Send yourself a test: a sample signed as the provider would sign it, handed to the door a stranger would use.

It is a message like any other: it is kept and its handlers run on it. Where only the provider can sign there is no
test, and it is said so. What is shown of it afterwards holds no secret, not even where the secret itself is sent.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from io import BytesIO
from urllib.parse import urlsplit

import orjson
from django.core.handlers.wsgi import WSGIRequest
from django.utils import timezone

from webhooks.models import Receipt, Rejection, Source
from webhooks.processing.receipts import first_id_at
from webhooks.receiving.inbound_view import inbound
from webhooks.schemes import Scheme, SignedMessage, UnsignedMessage
from webhooks.sources import snapshot
from webhooks.sources.message_labels import redact_credentials
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.ids import new_id, parse, public

EVENT_TYPE = "waypost.test"


class NoActiveSecret(ValueError):
    """The source has no secret that is believed: give it one first."""


@dataclass(frozen=True, slots=True)
class SentTestMessage:
    """What was sent, what was answered, and what became of it."""

    url: str
    headers: dict[str, str]
    """Without credentials."""
    body: str
    status: int
    answer: str
    receipt: Receipt | None
    rejection: Rejection | None

    @property
    def reason(self) -> str:
        return HTTPStatus(self.status).phrase


def send_test_message(source: Source, url: str, *, event_type: str = "", body: str = "") -> SentTestMessage:
    """Send this source a sample. `url` is its absolute address here; `body` replaces the sample's.

    Raises SenderKeyRequired, NoActiveSecret, SignatureError where the source's configuration cannot work."""
    known = snapshot.find_source(source.public_id)
    if known is None:
        raise NoActiveSecret(str(NoActiveSecret.__doc__))
    begun = timezone.now()
    sample = _sample(known, url, event_type or EVENT_TYPE, body.encode())
    response = inbound(_request(url, sample), source.public_id)
    shown = redact_credentials(
        {name.lower(): text for name, text in sample.headers.items()}, known.credential_headers()
    )
    return SentTestMessage(
        url=_with_query(known.public_url or url, sample),
        headers=shown,
        body=sample.body.decode("utf-8", "replace"),
        status=response.status_code,
        answer=response.content.decode("utf-8", "replace"),
        receipt=_receipt(source, begun, sample.body, response.content),
        rejection=_rejection(source, begun, response.status_code),
    )


def _sample(source: SourceSnapshot, url: str, event_type: str, body: bytes) -> SignedMessage:
    proof = source.load_scheme()
    believed = source.active_secrets(timezone.now())
    if proof.needs_secret and not believed:
        raise NoActiveSecret(str(NoActiveSecret.__doc__))
    message_id = public("msg", new_id())
    draft = UnsignedMessage(
        body=body or _example(proof, message_id, event_type),
        url=source.public_url or url,
        now=int(time.time()),
        message_id=message_id,
        event_type=event_type,
    )
    return proof.sign(believed[0].text if believed else "", draft)


def _example(proof: Scheme, message_id: str, event_type: str) -> bytes:
    """A body with an id where the provider has it."""
    document: dict[str, object] = {"type": event_type, "data": {"hello": "world"}}
    if proof.id_path:
        document = {proof.id_path.strip("/"): message_id, **document}
    return orjson.dumps(document)


def _request(url: str, sample: SignedMessage) -> WSGIRequest:
    """The request as a server would hand it to us (PEP 3333)."""
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


def _receipt(source: Source, begun: datetime, body: bytes, answer: bytes) -> Receipt | None:
    """The receipt the answer names; where the source answers in words of its own, the one that has just come."""
    rows = Receipt.objects.defer("body").filter(source=source)
    try:
        return rows.filter(id=parse("rcp", orjson.loads(answer)["receipt"])).first()
    except (ValueError, TypeError, KeyError):
        digest = hashlib.sha256(body).hexdigest()
        return rows.filter(id__gte=first_id_at(begun), sha256=digest).order_by("-id").first()


def _rejection(source: Source, begun: datetime, status: int) -> Rejection | None:
    """Why it was refused, if that was kept: see rejections."""
    if status < HTTPStatus.BAD_REQUEST:
        return None
    return Rejection.objects.filter(source=source, id__gte=first_id_at(begun)).order_by("-id").first()
