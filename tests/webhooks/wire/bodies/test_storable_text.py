"""Texts as PostgreSQL can store them."""

import pytest

from webhooks.wire.bodies.storable_text import storable


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain", "plain"),
        ("a\0b", "ab"),
        ("\0", ""),
        ("M\u00fcller\0", "M\u00fcller"),
        ("\ud800x", "?x"),
        ("\udc00\0\ud83d", "??"),
        ("\U0001f600", "\U0001f600"),
    ],
)
def test_text_is_left_without_nul_and_surrogates(text: str, stored: str) -> None:
    assert storable(text) == stored
    stored.encode()
