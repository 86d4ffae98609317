"""Which response headers an attempt records."""

import pytest

from delivery.transports.http.response_headers import MAX_RECORDED, read_headers, recorded_headers


@pytest.mark.parametrize(
    "name",
    ["Set-Cookie", "AUTHORIZATION", "proxy-authenticate", "X-Api-Key", "x-amz-security-token", "X-Session-Id"],
)
def test_values_that_may_hold_credentials_are_masked(name: str) -> None:
    block = f"Server: x\r\n{name}: confidential;\r\n continued=confidential\r\nDate: now\r\n".encode()
    recorded = recorded_headers(block)
    assert b"confidential" not in recorded
    assert read_headers(recorded) == [("server", "x"), (name.lower(), "***"), ("date", "now")]


def test_harmless_headers_are_recorded_as_they_are() -> None:
    block = b"Content-Type: text/plain\r\nX-Folded: a\r\n b\r\nX-Folded: \xe9\r\n"
    assert recorded_headers(block) == block
    expected = [("content-type", "text/plain"), ("x-folded", "a b"), ("x-folded", "\xe9")]
    assert read_headers(block) == read_headers(memoryview(block)) == expected


def test_lines_beyond_the_limit_are_left_out_whole() -> None:
    line = b"x-long: " + b"y" * 990 + b"\r\n"
    assert recorded_headers(line * 5) == line * 2
    assert len(recorded_headers(b"a: b\r\n" * 1_000)) <= MAX_RECORDED


@pytest.mark.parametrize("block", [None, b"", b"no colon\r\n", b" only a continuation"])
def test_what_is_no_header_is_not_shown(block: bytes | None) -> None:
    assert read_headers(block) == []
