"""Test reading forms and documents of messages."""

import gzip
from io import BytesIO

import pytest

from webhooks.kit.bodies.message_body import MAX_FORM_BYTES, parse_document, read_files, read_form
from webhooks.wire.errors import UnreadableBody

URLENCODED = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=x"
MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="from"\r\n\r\nann@example.com\r\n'
    b'--x\r\nContent-Disposition: form-data; name="to"\r\n\r\nb\xc3\xb6b\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'
    + b"content" * 1000
    + b"\r\n--x--\r\n"
)


@pytest.mark.parametrize("packed", [False, True])
def test_form_of_every_kind_has_the_fields(packed: bool) -> None:
    headers = {"content-encoding": "gzip"} if packed else {}

    def read(content_type: str, body: bytes):
        return read_form({**headers, "content-type": content_type}, BytesIO(gzip.compress(body) if packed else body))

    assert read(URLENCODED, b"a=1&a=2&b=%C3%B6").getlist("a") == ["1", "2"]
    assert read(f"{URLENCODED}; charset=iso-8859-1", b"b=%F6")["b"] == "\u00f6"
    assert dict(read(PARTS, MULTIPART).lists()) == {"from": ["ann@example.com"], "to": ["b\u00f6b"]}


def test_media_type_of_a_form_is_read_in_any_case_and_its_boundary_as_it_is() -> None:
    body = MULTIPART.replace(b"--x", b"--aB")
    for content_type in ("Multipart/Form-Data; Boundary=aB", 'MULTIPART/FORM-DATA; charset=UTF-8; boundary="aB"'):
        assert read_form({"content-type": content_type}, BytesIO(body))["from"] == "ann@example.com"
        assert read_files({"content-type": content_type}, BytesIO(body))["file"].name == "a.txt"
    assert read_form({"content-type": URLENCODED.upper()}, BytesIO(b"a=1"))["a"] == "1"


def test_files_of_a_form_are_read() -> None:
    (file,) = read_files({"content-type": PARTS}, BytesIO(MULTIPART)).getlist("file")
    assert (file.name, file.content_type, file.read()) == ("a.txt", "text/plain", b"content" * 1000)
    assert not read_files({"content-type": URLENCODED}, BytesIO(b"a=1"))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("", b"a=1"),
        ("multipart/form-data", MULTIPART),
        (URLENCODED, b"&".join(b"a%d=1" % number for number in range(1001))),
        (URLENCODED, b"a=" + b"x" * MAX_FORM_BYTES),
        (f"{URLENCODED}; charset=nonsense", b"a=1"),
        (PARTS, b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"y" * 3_000_000 + b"\r\n--x--\r\n"),
    ],
)
def test_body_that_is_no_form_or_too_large_is_unreadable(settings, content_type: str, body: bytes) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
    with pytest.raises(UnreadableBody):
        read_form({"content-type": content_type}, BytesIO(body))


def test_document_of_a_form_has_the_json_in_its_fields() -> None:
    body = b"payload=%7B%22action%22%3A%22opened%22%7D&note=%7Bbroken&tag=a&tag=b"
    expected = {"payload": {"action": "opened"}, "note": "{broken", "tag": ["a", "b"]}
    assert parse_document({"content-type": URLENCODED}, body) == expected


@pytest.mark.parametrize("body", [b"", b"plain text", b"\x89PNG\r\n"])
def test_body_that_is_neither_json_nor_a_form_has_no_document(body: bytes) -> None:
    assert parse_document({}, body) is None
