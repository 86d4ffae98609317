"""Every block of every page is run or checked by a test that exists, or listed with the reason why it is not."""

import ast
import re
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks_of, pages
from tests.docs.inventory import CHECKS, INVENTORY, NOT_RUN, words_of

GUIDES_OF_KINDS = "tests/webhooks/sources/kinds/**/test_guides.py"  # each runs the commands of pages, by their numbers
QUICKSTART = "[quickstart]("  # which ends with API, and KEY of one customer
MAX_NOT_RUN = 9  # blocks; each needs a reason why no test can run it


def run_by_guides(page: str) -> list[str]:
    """Return a word for each block of commands of a page that a test of guides to kinds of sources runs."""
    tests = [it for path in ROOT.glob(GUIDES_OF_KINDS) for it in path.read_text().split("\ndef test_")]
    runs = [set(re.findall(r"\.run\((\d+)\)", it)) for it in tests if f'Guide("{Path(page).stem}"' in it]
    return ["api"] * len(set().union(*runs))


@pytest.mark.parametrize("page", pages())
def test_each_block_of_a_page_has_a_word_in_the_inventory(page: str) -> None:
    words, blocks = words_of(page) or run_by_guides(page), blocks_of(page)
    shown = [f"{it.language}: {it.text.strip().splitlines()[0][:60]}" for it in blocks]
    assert len(words) == len(blocks), f"{page}: {len(words)} words in tests/docs/inventory.py for the blocks {shown}"
    assert [it for it in words if it not in CHECKS and it not in NOT_RUN] == []


def test_page_of_the_inventory_exists() -> None:
    assert INVENTORY.keys() <= set(pages())


def test_block_of_commands_is_marked_as_such() -> None:
    """Without a language a block of commands would be shown without colours, and found by no test."""
    for page in pages():
        for it in blocks_of(page):
            assert it.language or not it.text.lstrip().startswith(("curl ", "make ", "python ")), it


@pytest.mark.parametrize("page", pages())
def test_variable_in_a_command_is_one_that_the_page_explains(page: str) -> None:
    """By an assignment, by its name in the text, or by the part of the quickstart that says which key to use."""
    text = (ROOT / page).read_text()
    commands = "\n".join(it.text for it in blocks_of(page) if it.language == "sh")
    known = {"PWD"} | ({"API", "KEY"} if QUICKSTART in text else set())
    for name in set(re.findall(r"\$([A-Z_]{3,})", commands)) - known:
        assert f"{name}=" in text or f"`{name}`" in text, f"{page}: ${name} comes from nowhere"


@pytest.mark.parametrize("word", CHECKS)
def test_test_of_a_word_exists(word: str) -> None:
    path, _, name = CHECKS[word].partition("::")
    tree = ast.parse((ROOT / path).read_text())
    assert name in {it.name for it in ast.walk(tree) if isinstance(it, ast.FunctionDef)}


def test_every_word_is_in_use() -> None:
    used = {word for page in INVENTORY for word in words_of(page)}
    assert sorted({*CHECKS, *NOT_RUN} - used) == []


def test_few_blocks_are_not_run() -> None:
    left_out = [word for page in INVENTORY for word in words_of(page) if word in NOT_RUN]
    assert len(left_out) <= MAX_NOT_RUN, left_out
