"""Long names on narrow pages."""

import pytest

from webhooks.kit.admin.breakable_names import breakable


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
