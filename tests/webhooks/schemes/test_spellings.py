"""Test that a proof is accepted in every spelling of its encoding, and that times are read in every usual form."""

import hmac
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.schemes.battery import BODY, NOW
from webhooks import schemes
from webhooks.schemes.scheme import UnsignedMessage
from webhooks.wire.errors import MalformedHeader, SignatureError
from webhooks.wire.signing import timestamps

HEX = ("hex", "hex_upper")
BASE64 = ("base64", "base64url")
SECRET, URL = "k" * 20, "https://example.com/in/1/"


def respelled(encoding: str, change: Callable[[str], str]) -> None:
    """Verify a signed message after the change of its signature. Raises SignatureError."""
    options = {"encoding": encoding}
    signed = schemes.get("hmac", options).sign(SECRET, UnsignedMessage(BODY, URL, NOW, "m1"))
    headers = {**signed.headers, "x-signature": change(signed.headers["x-signature"])}
    schemes.verify("hmac", [SECRET], headers, signed.body, url=URL, now=NOW, options=options)


@pytest.mark.parametrize("name", HEX)
def test_hex_is_accepted_in_either_case(name: str) -> None:
    respelled(name, str.upper)
    respelled(name, str.lower)
    with pytest.raises(SignatureError):
        respelled(name, lambda text: text[:-1])
    with pytest.raises(SignatureError):
        respelled(name, lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"))


@pytest.mark.parametrize("name", BASE64)
def test_base64_is_accepted_in_either_alphabet_and_without_padding(name: str) -> None:
    respelled(name, lambda text: text.rstrip("="))
    respelled(name, lambda text: text.replace("+", "-").replace("/", "_"))
    respelled(name, lambda text: text.rstrip("=").replace("-", "+").replace("_", "/") + "=")
    with pytest.raises(SignatureError):
        respelled(name, lambda text: text.rstrip("=") + "==")
    with pytest.raises(SignatureError):
        respelled(name, lambda text: text.rstrip("=")[:-1])
    with pytest.raises(SignatureError):
        respelled(name, str.swapcase)


@given(st.binary(min_size=32, max_size=32))
def test_signature_of_other_bytes_is_never_accepted(raw: bytes) -> None:
    right = hmac.digest(SECRET.encode(), BODY, "sha256")
    for encoding, text in (("hex", raw.hex().upper()), ("base64", b64encode(raw).decode().rstrip("="))):
        if raw != right:
            with pytest.raises(SignatureError):
                schemes.verify("hmac", [SECRET], {"x-signature": text}, BODY, now=NOW, options={"encoding": encoding})


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("iso", "2026-01-02T03:04:05Z"),
        ("iso", "20260102T030405Z"),
        ("iso", "2026-01-02t03:04:05z"),
        ("iso", "2026-01-02 03:04:05+00:00"),
        ("iso", "2026-01-02T04:34:05+0130"),
        ("iso", "20260102T020405-01"),
        ("iso", "2026-01-02T03:04:05.123456789Z"),
        ("iso", "20260102T030405.5Z"),
        ("iso", "2026-01-02T03:04:05,25Z"),
        ("iso", "2026-01-02T03:04Z"),
        ("s", "1767323045"),
        ("s", "1767323045.123456"),
        ("ms", "1767323045123"),
        ("us", "1767323045123456"),
        ("ns", "1767323045123456789"),
        ("s_or_ms", "1767323045"),
        ("s_or_ms", "1767323045123"),
        ("http", "Fri, 02 Jan 2026 03:04:05 GMT"),
        ("http", "Fri, 2 Jan 2026 03:04:05 +0000"),
        ("http", "2 Jan 2026 04:04:05 +0100"),
    ],
)
def test_time_is_read_in_every_usual_form(form: str, value: str) -> None:
    expected = datetime(2026, 1, 2, 3, 4, 0 if value.endswith("04Z") else 5, tzinfo=UTC).timestamp()
    assert expected <= timestamps.read("x-time", value, form) < expected + 1


@pytest.mark.parametrize(
    ("form", "value"),
    [
        *(("iso", it) for it in ("2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "2026-01-02", "1767323045", "")),
        *(("iso", it) for it in ("2026-01-02T25:04:05Z", "2026-01-02T03:04:05+99:00", "\u0662026-01-02T03:04:05Z")),
        *(("s", it) for it in ("", "-1", "1e9", "1.", ".5", "0x1", " 1", "1" * 30, "NaN", "\u0661")),
        *(("s_or_ms", it) for it in ("", "-1", "2026-01-02T03:04:05Z")),
        *(("http", it) for it in ("Fri, 02 Jan 2026", "yesterday", "Fri, 99 Jan 2026 03:04:05 GMT")),
    ],
)
def test_text_that_is_no_time_is_malformed(form: str, value: str) -> None:
    with pytest.raises(MalformedHeader):
        timestamps.read("x-time", value, form)


def test_published_keys_accept_base64_in_either_alphabet() -> None:
    decode = schemes.get("public_key", {"keys_url": "https://example.com/k"}).decoded  # type: ignore[attr-defined]
    raw = b"\xfb\xff" * 32
    for text in (b64encode(raw).decode(), b64encode(raw, b"-_").decode().rstrip("=")):
        assert decode(text) == raw
    assert decode("!") is None
