"""Hostile messages at each shell of the receiver: refused by a 4xx, or stored unchanged; never our error."""

import gzip
import io
import time
import tracemalloc

import pytest

from tests.factories_receiver import make_source, signed
from tests.webhooks.receiving import shells
from webhooks import schemes
from webhooks.kit.bodies import claim_check
from webhooks.models import Receipt, Rejection, Source
from webhooks.schemes.scheme import UnsignedMessage
from webhooks.wire.errors import SenderKeyRequired, SignatureError
from webhooks.wire.signing.keys import new_secret

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules", "shell")]

BODY = b'{"type":"a.b","id":"1"}'
MIB = 1024 * 1024
VALUES = (
    "",
    "\xff" * 8_192,
    "a" * 8_192,
    "," * 8_192,
    "9" * 5_000,
    "-1",
    "=",
    "Bearer ",
    "Basic =",
    "t=,v1=",
    "v1a,AA",
)
SECRETS = {"public_key": "aa" * 32, "basic": "a:b", "sns": "arn:aws:sns:eu-central-1:123456789012:a"}
SECRETS |= {"standard": new_secret(), "svix": new_secret()}


def signed_headers(source: Source, secret: str) -> dict[str, str]:
    """Return the headers of a message as the scheme of a source signs it; where only its sender can, those it reads."""
    draft = UnsignedMessage(BODY, f"http://testserver/in/{source.public_id}/", int(time.time()), "msg_1", "a.b")
    try:
        return schemes.get(source.scheme, source.options).sign(secret, draft).headers
    except (SenderKeyRequired, SignatureError):
        return {"x-signature": "a", "authorization": "a", "client-cert": "a", "paypal-transmission-sig": "a"}


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
def test_hostile_header_under_any_scheme_is_refused_or_one_that_is_not_signed(scheme: str) -> None:
    secret = SECRETS.get(scheme, "a secret of the sender")
    source = make_source(scheme=scheme, secret=None if scheme == "none" else secret)
    headers = signed_headers(source, secret)
    for name in headers:
        for value in VALUES:
            status = shells.post(source, BODY, {**headers, name: value}).status_code
            assert status in (200, 202, 401), (name, value)
    many = {f"x-{number}": "a" * 100 for number in range(2_000)}
    assert shells.post(source, BODY, {**headers, **many}).status_code < 500
    assert not Rejection.objects.filter(detail__contains=secret).exists()


@pytest.mark.parametrize(
    ("scheme", "options"),
    [
        ("hmac", {"signed": "{host}.{body}"}),
        ("hmac", {"signed": "{path}.{query}.{body}"}),
        ("token", {"path": "query:a"}),
        ("jwt", {"token_path": "query:a"}),
        ("twilio", {}),
        ("square", {}),
    ],
)
@pytest.mark.parametrize("host", ["[", "[::1", "a b", "ex\xe4mple", "a:99999", "a/b", ""])
def test_host_that_no_url_can_have_is_refused(scheme: str, options: dict[str, str], host: str) -> None:
    source = make_source(scheme=scheme, secret="a secret of the sender", options=options)
    headers = {"host": host, "x-signature": "a", "x-twilio-signature": "a", "x-square-hmacsha256-signature": "a"}
    for query in ("", "?a=b", "?a=\xff", "?\xe9=%ff"):
        assert shells.current.post(f"/in/{source.public_id}/{query}", BODY, headers).status_code in (400, 401)
    assert not Receipt.objects.exists()


HEAD = b"--x\r\nContent-Disposition: form-data; name="
FORMS = [
    HEAD + b"(" * 8_000 + b"\r\n\r\nb\r\n--x--",
    HEAD + b'"' + b"\r\n\r\nb\r\n--x--",
    b"--x\r\n" * 5_000,
    b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" * 1_000 + b"--x--",
    b"a=" + b"%" * 60_000,
    b"&" * 60_000,
]


@pytest.mark.parametrize("body", FORMS, ids=range(len(FORMS)))
@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_malformed_form_is_refused_where_it_is_signed_and_stored_where_it_is_not(
    body: bytes, content_type: str
) -> None:
    options = {"signed": "{form:a}", "signature_path": "form:s"}
    signing = make_source(scheme="hmac", secret="a secret of the sender", options=options)
    assert shells.post(signing, body, {}, content_type=content_type).status_code == 401
    other = make_source(scheme="none", secret=None, message_id_path="body:/a", event_type_path="body:/b")
    assert shells.post(other, body, {}, content_type=content_type).status_code == 202
    assert Receipt.objects.get().read() == body


DEEP = "[" * 300 + "]" * 300
ENVELOPES = [
    '{"Records":[{"eventSource":"aws:s3","eventName":"a","s3":{"bucket":{"name":"b"},"object":{"key":%s}}}]}',
    '{"detail-type":"a","source":"b","detail":%s,"resources":%s}',
    '{"Entries":[{"DetailType":"a","Source":"b","Detail":%s}]}',
    '{"Type":"Notification","MessageId":"a","TopicArn":"b","Message":%s,"MessageAttributes":%s}',
    '{"subscription":"a","message":{"messageId":"b","data":%s,"attributes":%s}}',
    '[{"id":"a","eventType":"b","eventTime":%s,"subject":%s}]',
    '{"specversion":"1.0","id":%s,"source":"a","type":%s,"data":%s}',
    '{"type":"a","timestamp":%s,"data":%s}',
]


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("value", [DEEP, '"\\u0000"', "1e400", "-0", "null", '{"":[{}]}', "9" * 4_000], ids=range(7))
def test_hostile_member_of_an_envelope_is_stored_unchanged(envelope: str, value: str) -> None:
    body = envelope.replace("%s", value).encode()
    source = make_source(scheme="none", secret=None)
    for content_type in ("application/json", "application/cloudevents+json"):
        assert shells.post(source, body, {"webhook-id": "a"}, content_type=content_type).status_code in (202, 200)
    assert {it.read() for it in Receipt.objects.all()} == {body}


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, gzip", "br", "identity", "x" * 8_192, "\xff"])
def test_compressed_bomb_is_stored_as_it_came_within_bounded_memory(coding: str) -> None:
    bomb = gzip.compress(b'{"id":"' + b"a" * (64 * MIB) + b'"}')
    source = make_source(scheme="none", secret=None, message_id_path="body:/id", event_type_path="body:/id")
    tracemalloc.start()
    try:
        assert shells.post(source, bomb, {"content-encoding": coding}).status_code == 202
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()
    assert Receipt.objects.get().read() == bomb


@pytest.mark.parametrize("size", [0, 1, claim_check.INLINE_MAX, claim_check.INLINE_MAX + 1])
def test_chunked_body_of_any_size_is_received(size: int) -> None:
    body = b"a" * size
    headers = signed(body)
    assert shells.post(make_source(), b"", headers, stream=io.BytesIO(body), length=None).status_code == 202
    assert Receipt.objects.get().read() == body


@pytest.mark.parametrize("name", ["\0", "a\0b", "a" * 10_000, "src_" + "0" * 26, "src_" + "z" * 10_000, "\xff", "a\nb"])
def test_name_of_no_source_is_a_404_without_a_row(name: str) -> None:
    for path in (f"/in/{name}/", f"/in/{name}"):
        assert shells.current.post(path, BODY, signed(BODY)).status_code == 404
    assert not Rejection.objects.exists()
