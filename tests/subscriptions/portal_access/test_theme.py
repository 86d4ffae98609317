"""Colours that can be read, whatever the theme."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.portal_access import theme

colours = st.from_regex(r"\A#[0-9a-f]{6}\Z")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [("#000000", "#ffffff", 21.0), ("#ffffff", "#ffffff", 1.0), ("#767676", "#ffffff", 4.54)],
)
def test_contrast_is_that_of_the_standard(first, second, expected):
    assert theme.contrast(first, second) == pytest.approx(expected, abs=0.01)


@given(accent=colours, light=colours, dark=colours)
def test_texts_of_every_theme_can_be_read(accent, light, dark):
    for is_dark in (False, True):
        found = theme.palette({"accent": accent, "background": light, "background_dark": dark}, dark=is_dark)
        assert theme.contrast(found.ink, found.paper) >= 4.5
        assert theme.contrast(found.on_button, found.button) >= 4.5
        assert theme.contrast(found.accent, found.paper) >= 4.5


def test_accent_that_can_be_read_is_not_changed():
    assert theme.palette({"accent": "#0b5cad"}, dark=False).accent == "#0b5cad"


def test_unknown_font_is_the_one_of_the_machine():
    assert theme.font_of({"font": "nope"}) == theme.FONTS["system"]
