"""Run `python -m tests.brokers [NAME ...]`: test sources against real brokers, those that can be had on this machine.

Each folder beside this file has a module ``server`` with ``absence()``, which fetches what the broker needs and returns
why it cannot be had, or an empty string. What is absent is printed, and fails nothing.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Return the exit status of the tests; 0 if no broker can be had."""
    present = []
    for folder in sorted(it.parent.name for it in HERE.glob("*/server.py")):
        if names and folder not in names:
            continue
        if absence := import_module(f"tests.brokers.{folder}.server").absence():
            print(f"{folder}: {absence}; going on without it", flush=True)
        else:
            present.append(folder)
    if not present:
        return 0
    os.environ["WAYPOST_BROKERS"] = " ".join(present)
    return int(pytest.main([*(str(HERE / it) for it in present), "-p", "no:randomly", "--durations=5"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
