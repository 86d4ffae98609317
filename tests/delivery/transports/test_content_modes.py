"""Content modes of CloudEvents, checked by a library of others."""

import time

import orjson
import pytest
from standardwebhooks.webhooks import Webhook

from delivery.transports.content_modes import content_of
from delivery.transports.message import Message
from webhooks.wire.signing.keys import new_secret
from webhooks.wire.signing.standard_webhooks import Signer

SECRET = new_secret()


def message(body: bytes, content_type: str = "application/cloudevents+json", now: int = 1) -> Message:
    signer = Signer([SECRET])
    return Message("evt_1", body, content_type, True, None, now, signer.sign("evt_1", now, body), signer)


def event(**members: object) -> bytes:
    return orjson.dumps({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", **members})


def test_structured_mode_is_the_body_with_its_attributes() -> None:
    one = message(event(data=1))
    assert content_of(one, "structured", "ce_") == (one.attributes, one.body)


@pytest.mark.parametrize(
    ("members", "content_type", "body"),
    [
        ({"data": {"n": 1}}, "application/json", b'{"n":1}'),
        ({"data": "text", "datacontenttype": "text/plain"}, "text/plain", b"text"),
        ({"data_base64": "AP8=", "datacontenttype": "image/png"}, "image/png", b"\x00\xff"),
        ({}, None, b""),
    ],
)
def test_binary_mode_is_the_data_with_prefixed_attributes(
    members: dict[str, object], content_type: str | None, body: bytes
) -> None:
    attributes, found = content_of(message(event(subject="ö", n=7, **members)), "binary", "ce_")
    assert (found, attributes.get("content-type")) == (body, content_type)
    named = {name: it for name, it in attributes.items() if name.startswith("ce_")}
    assert named == {
        "ce_specversion": "1.0",
        "ce_id": "1",
        "ce_source": "/s",
        "ce_type": "t",
        "ce_subject": "ö",
        "ce_n": "7",
    }


def test_signature_is_that_of_the_body_that_is_sent() -> None:
    now = int(time.time())
    attributes, body = content_of(message(event(data={"n": 1}), now=now), "binary", "ce_")
    assert Webhook(SECRET).verify(body, attributes) == {"n": 1}


def test_body_that_is_no_event_is_sent_as_it_is() -> None:
    one = message(b"text", "text/plain")
    assert content_of(one, "binary", "ce_") == (one.attributes, b"text")
