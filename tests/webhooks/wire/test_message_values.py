"""Check that values are found at each kind of path, as they are written, and that nothing else is."""

import json
from urllib.parse import quote_plus

import pytest

from webhooks.wire.message_values import MAX_PARSED, MessageValues, is_in_body, is_path, parse

DOCUMENT = b'{"a":{"b/c":["x",{"d":1.10}],"~":"t"},"on":true,"none":null,"big":12345678901234567890,"e":1e3}'
MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="json"\r\n\r\n{"event":{"type":"sent"}}\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nsecret\r\n--x--\r\n'
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("header:X-Id", "h1"),
        ("header:x-ID", "h1"),
        ("header:other", None),
        ("query:a", "1 2"),
        ("query:twice", None),
        ("query:blank", ""),
        ("body:/a/b~1c/0", "x"),
        ("body:/a/b~1c/1/d", "1.10"),
        ("body:/a/~0", "t"),
        ("body:/on", "true"),
        ("body:/big", "12345678901234567890"),
        ("body:/e", "1e3"),
        ("body:/none", None),
        ("body:/a", None),
        ("body:/a/b~1c/2", None),
        ("body:/a/b~1c/-1", None),
        ("body:/missing/x", None),
    ],
)
def test_value_at_a_path_is_read_as_it_is_written(path: str, value: str | None) -> None:
    values = MessageValues({"x-id": "h1"}, "a=1+2&twice=1&twice=2&blank=", DOCUMENT)
    assert values.find(path) == value


def test_star_is_every_element_of_a_list() -> None:
    body = json.dumps({"value": [{"state": "a"}, {"state": "b"}, {}]}).encode()
    assert MessageValues({}, "", body).find_all("body:/value/*/state") == ["a", "b"]
    assert MessageValues({}, "", body).find("body:/value/*/state") is None


def test_fields_of_a_urlencoded_form_are_found() -> None:
    values = MessageValues({}, "", b"a=1%2B1&json=%7B%22x%22%3A%22y%22%7D")
    assert (values.find("form:a"), values.find("form:json#/x"), values.find("form:b")) == ("1+1", "y", None)


def test_fields_of_a_multipart_form_are_found_and_files_are_not() -> None:
    values = MessageValues({"content-type": "multipart/form-data; boundary=x"}, "", MULTIPART)
    assert values.find("form:json#/event/type") == "sent"
    assert values.find("form:file") is None


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"a=%ff", b"&".join([b"a=1"] * 2000)])
def test_body_that_cannot_be_parsed_has_no_values(body: bytes) -> None:
    for headers in ({}, {"content-type": "multipart/form-data"}, {"content-type": "multipart/form-data; boundary=a"}):
        values = MessageValues(headers, "%ff&a=%ff", body)
        assert [values.find(path) for path in ("body:/a", "form:a", "form:a#/b", "query:b")] == [None] * 4


@pytest.mark.parametrize("path", ["header:X-Id", "query:a", "body:/a", "body:", "form:a", "form:a#/b"])
def test_text_of_the_form_of_a_path_is_one(path: str) -> None:
    assert is_path(path)
    assert is_in_body(path) == path.startswith(("body", "form"))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("body:/a/b~1c/0", "x"),
        ("body:/a/b~1c/1/d", "1.10"),
        ("body:/on", "true"),
        ("body:/big", "12345678901234567890"),
    ],
)
def test_values_of_a_large_body_are_those_of_a_small_one(path: str, value: str) -> None:
    for filler in (
        b" " * MAX_PARSED,
        b',"more":"' + b"x" * MAX_PARSED + b'"',
        b',"more":[' + b"[]," * MAX_PARSED + b"1]",
    ):
        body = DOCUMENT[:-1] + filler + b"}"
        assert MessageValues({}, "", body, paths=["header:x", path]).find(path) == value
        form = b"a=b&json=" + quote_plus(body).encode()
        assert MessageValues({}, "", form).find(path.replace("body:", "form:json#")) == value


def test_first_path_with_a_value_counts() -> None:
    path = "body:/signature|form:signature"
    assert MessageValues({}, "", b'{"signature":"a"}').find(path) == "a"
    assert MessageValues({}, "", b"signature=b").find(path) == "b"
    assert is_path(path)
    assert is_in_body(path)
    assert not is_path("body:/a|form:")
    assert MessageValues({}, "", b'{"a|b":"c"}').find("body:/a|b") == "c"


@pytest.mark.parametrize("path", ["", "a", "header:", "header:a b", "query:", "body:a", "other:/a", "body:/\0"])
def test_text_of_another_form_is_no_path(path: str) -> None:
    assert not is_path(path)


def test_numbers_keep_their_spelling() -> None:
    assert parse('{"a": 1.10, "b": -0, "c": 1E400}') == {"a": "1.10", "b": "-0", "c": "1E400"}
