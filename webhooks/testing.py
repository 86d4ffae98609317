"""Send messages to a source in the tests of a project: signed as the source's sender signs, through the inbound view.

    from webhooks.testing import run_handlers, send

    def test_order_is_booked(self):
        source = Source.objects.get(uid="payments")
        send(source, {"type": "order.paid", "data": {"number": "A-1"}})
        run_handlers()
        self.assertTrue(Order.objects.filter(number="A-1").exists())

A sender of CloudEvents is imitated with events of its SDK: ``send_events(source, [CloudEvent({...})], "binary")``.
Where only the sender has the signing key (published keys, client certificates), SenderKeyRequired is raised.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from cloudevents.core.base import BaseCloudEvent
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from webhooks.cloudevents import Mode, message_of
from webhooks.models import Source
from webhooks.processing.worker import run_once
from webhooks.receiving.test_message import NoActiveSecret, sign_sample
from webhooks.schemes import SignedMessage
from webhooks.sources.snapshot import clear_snapshots, find_source

SERVER = "http://testserver"  # of Django's test client


def signed_message(
    source: Source, body: Mapping[str, Any] | str | bytes = b"", *, event_type: str = "", message_id: str = ""
) -> SignedMessage:
    """Return a message as the sender of this source would sign it now: ``headers``, ``body`` and ``query``.

    ``body``: a mapping is written as JSON; empty: a sample of the scheme. ``message_id``: default a new one.
    """
    return _signed(source, _written(body) or None, event_type, message_id)


def send(source: Source, body: Mapping[str, Any] | str | bytes = b"", **how: str) -> HttpResponse:
    """Send a message of ``signed_message`` to the source, and return the response."""
    return _post(source, signed_message(source, body, **how))


def send_events(
    source: Source, events: Sequence[BaseCloudEvent], mode: Mode = "structured", **how: str
) -> HttpResponse:
    """Send events of the CloudEvents SDK to the source as one message in this content mode, and return the response."""
    written = message_of(events, mode)
    message = _signed(source, written.body, **how)
    others = {name: value for name, value in message.headers.items() if name.lower() != "content-type"}
    return _post(source, replace(message, headers={**others, **written.headers}))


def run_handlers() -> int:
    """Run the handlers of all receipts that are due, in this thread; return how many receipts that were."""
    return run_once()


def _signed(source: Source, body: bytes | None, event_type: str = "", message_id: str = "") -> SignedMessage:
    clear_snapshots()
    snapshot = find_source(source.public_id)
    if snapshot is None:
        raise NoActiveSecret(str(NoActiveSecret.__doc__))
    url = SERVER + reverse("inbound", args=[source.public_id])
    return sign_sample(snapshot, url, event_type, body, message_id)


def _post(source: Source, message: SignedMessage) -> HttpResponse:
    path = reverse("inbound", args=[source.public_id])
    headers = {name: value for name, value in message.headers.items() if name.lower() != "content-type"}
    content_type = next((value for name, value in message.headers.items() if name.lower() == "content-type"), "")
    url = f"{path}?{message.query}" if message.query else path
    response: Any = Client().generic("POST", url, message.body, content_type, headers=headers)
    return response  # type: ignore[no-any-return]


def _written(body: Mapping[str, Any] | str | bytes) -> bytes:
    if isinstance(body, Mapping):
        return orjson.dumps(dict(body))
    return body.encode() if isinstance(body, str) else body
