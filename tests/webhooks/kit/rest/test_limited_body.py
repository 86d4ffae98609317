"""Test the reading of bodies: never further than one byte beyond the limit."""

from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType

from webhooks.kit.rest.limited_body import LengthRequired, TooLarge, read_body


class Counting(BytesIO):
    """Count the bytes that are read; return few at a time, as a socket does."""

    bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(min(size, 7) if size is not None and size >= 0 else 7)
        self.bytes_read += len(data)
        return data


class Broken(BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError("the client went away")


def request(stream: BytesIO, **environ: Any) -> WSGIRequest:
    return WSGIRequest({"REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": stream, **environ})


CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}


def test_body_of_exactly_the_limit_is_read() -> None:
    assert read_body(request(Counting(b"x" * 100), CONTENT_LENGTH="100"), 100) == b"x" * 100
    assert read_body(request(Counting(b"x" * 100), **CHUNKED), 100) == b"x" * 100


def test_declared_length_over_the_limit_is_rejected_without_reading() -> None:
    stream = Counting(b"x" * 101)
    with pytest.raises(TooLarge):
        read_body(request(stream, CONTENT_LENGTH="101"), 100)
    assert stream.bytes_read == 0


def test_body_without_a_length_is_read_one_byte_beyond_the_limit() -> None:
    stream = Counting(b"x" * 10_000)
    with pytest.raises(TooLarge):
        read_body(request(stream, **CHUNKED), 100)
    assert stream.bytes_read == 101


def test_body_longer_than_its_declared_length_is_cut() -> None:
    assert read_body(request(Counting(b"x" * 100), CONTENT_LENGTH="10"), 100) == b"x" * 10


@pytest.mark.parametrize(
    ("stream", "environ", "error"),
    [
        (Counting(b"x" * 5), {"CONTENT_LENGTH": "10"}, ParseError),
        (Counting(b"x"), {"CONTENT_LENGTH": "-1"}, ParseError),
        (Counting(b"x"), {"CONTENT_LENGTH": "ten"}, ParseError),
        (Counting(b"x"), {"CONTENT_LENGTH": "٣"}, ParseError),
        (Counting(b"x"), {"CONTENT_LENGTH": "9" * 30}, ParseError),
        (Broken(b"x"), {"CONTENT_LENGTH": "1"}, ParseError),
        (Broken(b"x"), CHUNKED, ParseError),
        (Counting(b"x"), {"HTTP_TRANSFER_ENCODING": "chunked"}, LengthRequired),
        (Counting(b"x"), {"CONTENT_LENGTH": "1", "HTTP_CONTENT_ENCODING": "gzip"}, UnsupportedMediaType),
    ],
)
def test_body_that_cannot_be_read_safely_is_rejected(
    stream: BytesIO, environ: dict[str, Any], error: type[APIException]
) -> None:
    with pytest.raises(error):
        read_body(request(stream, **environ), 100)


def test_request_without_length_and_chunks_has_an_empty_body() -> None:
    assert read_body(request(Counting(b"x" * 100)), 100) == b""
    assert read_body(request(Counting(b""), CONTENT_LENGTH="0"), 100) == b""
