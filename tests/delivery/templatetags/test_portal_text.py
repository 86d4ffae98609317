"""Long and technical texts on the pages of the portal."""

import pytest

from delivery.templatetags.portal_text import SHORT, breakable, milliseconds, short


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("order.paid", "order.paid"),
        ("com.example.shop.order_paid.v2", "com.<wbr>example.<wbr>shop.<wbr>order_<wbr>paid.<wbr>v2"),
        ("a" * 40, "a" * 40),
        ("shop.<script>alert(1)</script>", "shop.<wbr>&lt;script&gt;alert(1)&lt;/<wbr>script&gt;"),
        ("trailing.dots.at.the.end.", "trailing.<wbr>dots.<wbr>at.<wbr>the.<wbr>end."),
    ],
    ids=["short", "long", "without separators", "escaped", "no break at the end"],
)
def test_long_name_breaks_after_separators_only(name, shown):
    assert breakable(name) == shown


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
