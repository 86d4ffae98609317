"""Test that the programs of `up` load structlog without what it does not need."""

import subprocess
import sys

from config.local.lean_imports import UNUSED

LOADED = f"""
import sys
from config.local.lean_imports import load_structlog
load_structlog()
assert "structlog" in sys.modules
print([name for name in {UNUSED} if name in sys.modules])
import rich
print(rich.__name__)
"""


def test_structlog_loads_without_rich_which_can_be_imported_later() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\nrich\n"
