"""Long and technical texts on the pages of the portal."""

import pytest

from delivery.templatetags.portal_text import SHORT, milliseconds, short


def test_short_keeps_the_beginning_and_the_end():
    url = f"https://example.com/{'x' * 2000}?token=end"
    assert short("https://example.com/") == "https://example.com/"
    assert short("x" * SHORT) == "x" * SHORT
    assert len(short(url)) == SHORT
    assert short(url).startswith("https://example.com/x")
    assert short(url).endswith("?token=end")


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 ms"), (999, "999 ms"), (1000, "1 s"), (4310, "4.3 s"), (15000, "15 s")]
)
def test_duration_has_its_unit(count, shown):
    assert milliseconds(count) == shown
