"""Test that the programs of `up` load libraries without what they do not need."""

import subprocess
import sys

import pytest

from config.local.lean_imports import UNUSED

LOADED = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
from config.local.lean_imports import load
load({library!r})
assert {library!r} in sys.modules
print([name for name in {unused} if name in sys.modules])
"""


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("library", UNUSED)
def test_library_is_loaded_without_what_is_not_used(library: str) -> None:
    assert run(LOADED.format(library=library, unused=UNUSED[library])) == "[]\n"


def test_what_was_left_out_can_be_imported_later() -> None:
    assert run(LOADED.format(library="structlog", unused=()) + "import rich; print(rich.__name__)") == "[]\nrich\n"
