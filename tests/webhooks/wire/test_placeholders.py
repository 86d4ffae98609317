"""Check that texts are divided into literals and placeholders."""

import pytest

from webhooks.wire.placeholders import Placeholder, names, parse


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("plain", ["plain"]),
        ("{body}", [Placeholder("body")]),
        ("v0:{timestamp}:{body}", ["v0:", Placeholder("timestamp"), ":", Placeholder("body")]),
        ("{body:/a/b?}{id}", [Placeholder("body", "/a/b?"), Placeholder("id")]),
        ('{"type":5}', ['{"type":5}']),
        ("{ body }", ["{ body }"]),
        ("{Body}", ["{Body}"]),
    ],
)
def test_text_is_divided_at_its_placeholders(text: str, parts: list[str | Placeholder]) -> None:
    assert parse(text) == parts
    assert names(parse(text)) == [part.name for part in parts if isinstance(part, Placeholder)]
