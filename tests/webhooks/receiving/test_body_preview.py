"""The preview of a body in the admin: indented, and otherwise as it was written, whatever a sender wrote."""

import pytest

from tests.factories_receiver import make_receipt
from webhooks.receiving.body_preview import PREVIEW_BYTES, preview_body

pytestmark = pytest.mark.django_db

DEEP = b"[" * 400 + b"]" * 400


def preview(body: bytes) -> str:
    text, remaining = preview_body(make_receipt(body=body))
    assert remaining == 0
    return text


def test_json_is_indented() -> None:
    assert preview(b'{"a":{"b":[1,2],"c":{}}}') == (
        '{\n  "a": {\n    "b": [\n      1,\n      2\n    ],\n    "c": {}\n  }\n}'
    )


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"n": NaN, "long": 123456789012345678901234567890}', "123456789012345678901234567890"),
        (b'{"n": NaN, "minus": -9223372036854775809}', "-9223372036854775809"),
        (b'{"big": 1e999, "small": 1e-400}', "1e999"),
        (b'{"exact": 0.10000000000000000555}', "0.10000000000000000555"),
        (b'{"twice": 1, "twice": 2}', '"twice": 1'),
        (b'{"half": "\\ud800"}', "\\ud800"),
        (b'{"nul": "\\u0000"}', "\\u0000"),
    ],
)
def test_what_json_libraries_do_not_write_is_shown_as_it_was_sent(body: bytes, shown: str) -> None:
    assert shown in preview(body)


def test_deep_json_is_shown() -> None:
    assert preview(DEEP).count("[") == 400


def test_json_in_utf_16_is_shown_as_text() -> None:
    assert '"name": "M\u00fcller"' in preview('{"name": "M\u00fcller"}'.encode("utf-16"))


@pytest.mark.parametrize("body", [b"<xml/>", b"a=1&b=2", b"\xff\xfe\xfd", b""])
def test_what_is_no_json_is_shown_as_it_is(body: bytes) -> None:
    assert preview(body) == body.decode("utf-8", "replace")


def test_rest_of_a_long_body_is_for_the_download() -> None:
    body = b'"' + b"x" * PREVIEW_BYTES + b'"'
    text, remaining = preview_body(make_receipt(body=body))
    assert (len(text), remaining) == (PREVIEW_BYTES, 2)
