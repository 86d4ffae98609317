"""The trace context of W3C: what is valid, and what is ignored."""

import pytest

from webhooks.kit.tracing.context import parent_from, trace_id_of, valid

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_well_formed_context_is_valid() -> None:
    text = f"00-{TRACE}-{SPAN}-01"
    assert valid(text) == text
    assert trace_id_of(text) == TRACE
    assert parent_from(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        *("", None, 1, f"00-{TRACE}-{SPAN}", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01"),
        *(f"ff-{TRACE}-{SPAN}-01", f"00-{TRACE.upper()}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01\r\nx: y"),
    ],
)
def test_anything_else_is_ignored(text: object) -> None:
    assert valid(text) is None
    assert trace_id_of(None) == ""
