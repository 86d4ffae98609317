"""The guide to patterns and transformers: every example on it is true of its event."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from subscriptions.routing.compiled_patterns import compile_pattern, compile_transformer
from webhooks.wire.patterns.fields import OPERATORS

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "patterns.md"
BLOCK = re.compile(r"^```(?:json|text) (\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(PAGE.read_text())


def blocks(kind: str) -> list[str]:
    return [text for name, text in BLOCKS if name == kind]


EVENT: dict[str, Any] = json.loads(blocks("event")[0])


@pytest.mark.parametrize("text", blocks("matches"))
def test_pattern_shown_as_matching_matches(text: str) -> None:
    assert compile_pattern(json.loads(text)).explain(EVENT) == []


@pytest.mark.parametrize("text", blocks("differs"))
def test_pattern_shown_as_not_matching_does_not_match(text: str) -> None:
    assert not compile_pattern(json.loads(text)).matches(EVENT)


@pytest.mark.parametrize(("transformer", "result"), list(zip(blocks("transformer"), blocks("result"), strict=True)))
def test_transformer_renders_the_result_shown(transformer: str, result: str) -> None:
    assert compile_transformer(json.loads(transformer)).render(EVENT).decode() == result.strip()


def test_guide_shows_every_operator() -> None:
    shown = " ".join(blocks("matches"))
    assert [name for name in OPERATORS if f'"{name}"' not in shown] == []
