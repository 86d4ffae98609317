"""Check that forms are split into the fields that other libraries read, with little memory."""

import tracemalloc
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.filepost import encode_multipart_formdata

from webhooks.wire.bodies.form_fields import MAX_FIELDS, Fields, multipart_fields, urlencoded_fields

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MIB = 1024 * 1024
BOUNDARY = "multipart/form-data; boundary=x"


@given(st.lists(st.tuples(TEXTS, TEXTS)) | st.binary(max_size=60))
def test_urlencoded_fields_are_those_of_the_standard_library(given: list[tuple[str, str]] | bytes) -> None:
    body = (
        given if isinstance(given, bytes) else "&".join(f"{quote_plus(n)}={quote_plus(v)}" for n, v in given).encode()
    )
    try:
        expected = parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        with pytest.raises(UnicodeDecodeError):
            urlencoded_fields(body)
    else:
        assert [(name.decode(), value.decode()) for name, value in urlencoded_fields(body)] == expected


@given(st.lists(st.tuples(st.text("ab-_ .", min_size=1, max_size=8), TEXTS), min_size=1), st.binary(max_size=50))
def test_multipart_fields_are_those_that_a_client_wrote_without_files(pairs, file: bytes) -> None:
    body, content_type = encode_multipart_formdata([*pairs, ("attachment", ("a.bin", file))])
    found = multipart_fields(content_type, body)
    assert [(name.decode(), value.decode()) for name, value in found] == pairs


@pytest.mark.parametrize(
    ("part", "value"),
    [
        (b'Content-Disposition: form-data; name="a"\r\n\r\n1\r\n--xy\r\n2', b"1\r\n--xy\r\n2"),
        (b'Content-Disposition: form-data; name="a"\r\n\r\n-- x--x', b"-- x--x"),
        (b'Content-Disposition: form-data; name="a"\r\n\r\n', b""),
        (b"content-disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nMQ==", b"1"),
        (b'Content-Disposition: form-data; name="a"\r\nContent-Type: application/json\r\n\r\n{}', b"{}"),
    ],
)
def test_part_ends_before_its_boundary_and_nowhere_else(part: bytes, value: bytes) -> None:
    body = b"preamble\r\n--x\r\n" + part + b"\r\n--x  \r\nno header\r\n--x--\r\nepilogue\r\n--x\r\n"
    assert multipart_fields(BOUNDARY, body) == [(b"a", value)]
    as_mail = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + BOUNDARY.encode() + b"\r\n\r\n" + body)
    assert next(as_mail.iter_parts()).get_payload(decode=True) == value  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "body", [b"", b"--x\r\n", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1', b"--x\r\n\r\n" * 2000]
)
def test_form_that_does_not_end_or_has_too_many_parts_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="does not end"):
        multipart_fields(BOUNDARY, body)
    with pytest.raises(ValueError, match="fields"):
        urlencoded_fields(b"&" * MAX_FIELDS)


@pytest.mark.parametrize("unit", [b"%41", b"+", b"a", "\U0001f600".encode(), b"%41a"])
def test_urlencoded_form_takes_a_few_times_its_size(unit: bytes) -> None:
    assert peak(lambda: urlencoded_fields(b"a=" + unit * (2 * MIB // len(unit)))) < 16 * MIB


@pytest.mark.parametrize("unit", [b"\n", b"--x", b"\r\n--", b"a: b\r\n", b"\r\n--x\n"])
def test_multipart_form_takes_a_few_times_its_size(unit: bytes) -> None:
    def read() -> Fields:
        try:
            return multipart_fields(BOUNDARY, b"--x\r\n" + unit * (2 * MIB // len(unit)) + b"\r\n--x--")
        except ValueError:
            return []

    assert peak(read) < 16 * MIB


def peak(work) -> int:  # type: ignore[no-untyped-def]
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
