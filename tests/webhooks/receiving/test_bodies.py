"""Test that the labels of a message mean the same in every form of body: small, large, compressed, as a form."""

import gzip
from collections.abc import Callable
from urllib.parse import urlencode

import orjson
import pytest
from django.core.files.storage import storages

from tests.factories_receiver import make_source
from tests.webhooks.receiving.shells import post
from webhooks.kit.bodies.claim_check import INLINE_MAX
from webhooks.models import Receipt, Rejection, Source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shell", "receiver")]

MESSAGE = {"id": "m1", "type": "order.paid", "customer": 9, "file": "x"}
LARGE = {**{name: value for name, value in MESSAGE.items() if name == "file"}, "more": "x" * INLINE_MAX, **MESSAGE}
PATHS = {"message_id_path": "body:/id", "order_key_path": "body:/customer"}


def json_source() -> Source:
    return make_source(scheme="none", secret=None, **PATHS)


def labels() -> tuple[str, str, str]:
    receipt = Receipt.objects.get()
    return receipt.message_id, receipt.event_type, receipt.order_key


@pytest.mark.parametrize("message", [MESSAGE, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16"])
def test_labels_are_read_from_json_of_every_size_and_encoding(message, encoding: str, charset: str) -> None:
    body = orjson.dumps(message).decode().encode(charset)
    packed = gzip.compress(body) if encoding else body
    headers = {"Content-Encoding": encoding} if encoding else {}
    assert post(json_source(), packed, headers).status_code == 202
    assert labels() == ("m1", "order.paid", "9")
    receipt = Receipt.objects.get()
    assert (receipt.read(), receipt.content(), receipt.json()) == (packed, body, message)


@pytest.mark.parametrize("message", [MESSAGE, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("kind", ["fields", "payload", "parts"])
def test_labels_are_read_from_forms_of_every_size(message, kind: str) -> None:
    prefix = "/payload" if kind == "payload" else ""
    content_type = "application/x-www-form-urlencoded"
    body = urlencode(message if kind == "fields" else {"payload": orjson.dumps(message)}).encode()
    if kind == "parts":
        content_type = "multipart/form-data; boundary=x"
        part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        body = ("".join(part.format(name, value) for name, value in message.items()) + "--x--\r\n").encode()
    paths = {name: path.replace("body:", f"body:{prefix}") for name, path in PATHS.items()}
    source = make_source(scheme="none", secret=None, event_type_path=f"body:{prefix}/type", **paths)
    assert post(source, body, {}, content_type=content_type).status_code == 202
    assert labels() == ("m1", "order.paid", "9")
    name = "payload" if kind == "payload" else "id"
    assert Receipt.objects.get().form()[name] == (orjson.dumps(message).decode() if prefix else "m1")


def test_large_message_with_a_repeated_id_is_a_duplicate_and_leaves_no_object() -> None:
    source = json_source()
    body = orjson.dumps(LARGE)
    assert [post(source, body, {}).status_code for _ in range(2)] == [202, 200]
    receipt = Receipt.objects.get()
    folder = receipt.body_key.rpartition("/")[0]
    assert storages["claims"].listdir(folder)[1] == [receipt.body_key.rpartition("/")[2]]


@pytest.mark.parametrize(
    "make_body", [lambda: b"\x1f\x8b broken", lambda: gzip.compress(bytes(300 * 1024**2))], ids=["broken", "bomb"]
)
def test_body_that_cannot_be_decompressed_is_stored_without_labels(make_body: Callable[[], bytes]) -> None:
    assert post(json_source(), make_body(), {"Content-Encoding": "gzip"}).status_code == 202
    receipt = Receipt.objects.get()
    assert (receipt.message_id, receipt.event_type) == (receipt.public_id, "")


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":1,"id":2,"type":"a","type":"b","customer":[1],"customer":2}',
        b'{"id":1,"type":"a","customer":3',
        b'{"id":1,"type":"\\udc00","customer":18446744073709551617}',
        b'{"id":NaN,"type":1.10,"customer":{"x":1}}',
        b"[1]",
    ],
)
def test_receipts_of_the_same_text_have_the_same_labels_at_any_size(body: bytes) -> None:
    labels = []
    for sent in (body, body + b" " * INLINE_MAX):
        source = json_source()
        assert post(source, sent, {}).status_code == 202
        receipt = Receipt.objects.get(source=source)
        own_id = "" if receipt.message_id == receipt.public_id else receipt.message_id
        labels.append((own_id, receipt.event_type, receipt.order_key))
    assert labels[0] == labels[1]


def test_source_accepts_25_mebibytes_by_default() -> None:
    source = json_source()
    body = b" " * (25 * 1024**2)
    assert post(source, body, {}).status_code == 202
    assert post(source, body + b" ", {}).status_code == 413
    assert Rejection.objects.get().reason == "too_large"
