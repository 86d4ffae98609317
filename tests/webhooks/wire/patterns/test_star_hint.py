"""Check the hint at a star that stands for itself."""

from typing import Any

import pytest

from webhooks.wire.patterns import Pattern

HINT = 'a * stands for itself here, write {"wildcard": "..."} to match any text'


@pytest.mark.parametrize(
    ("entry", "has_hint"),
    [
        ("order.*", True),
        ({"prefix": "order.*"}, True),
        ({"suffix": "*"}, True),
        ({"anything-but": ["*paid"]}, False),  # it matches
        ({"wildcard": "invoice.*"}, False),
        ("invoice.paid", False),
        ({"numeric": [">", 5]}, False),
    ],
)
def test_star_outside_of_wildcard_gets_a_hint(entry: Any, has_hint: bool) -> None:
    mismatches = Pattern({"type": [entry]}).explain({"type": "order.paid"})
    assert [it.reason.endswith(HINT) for it in mismatches] == ([has_hint] if mismatches else [])
    assert bool(mismatches) is (entry != {"anything-but": ["*paid"]})
