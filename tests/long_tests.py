"""Begin the longest tests first, so that the suite does not end with one of them while other processes are idle.

Each process of `pytest -n` begins with a part of the list of tests, and takes over tests from the end of another's part
when it has no more. So the process with the first part runs the long tests, which mostly wait, beside short ones.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

# Files with tests that take half a minute or more, or with many that share a platform; the longest first.
LONG = (
    "tests/api/test_fuzz.py",
    "tests/config/admin/browser/test_accessibility.py",
    "tests/isolation/test_short.py",
    "tests/faults/test_short.py",
    "tests/faults/test_states.py",
    "tests/journeys/test_demo.py",
    "tests/clients/test_generated_clients.py",
    "tests/journeys/test_upgrade_side_by_side.py",
    "tests/journeys/test_installed.py",
    "tests/journeys/test_workers_gone.py",
    "tests/benchmarks/test_compare.py",
    "tests/journeys/test_pgbouncer.py",
)


def long_first(items: Sequence[pytest.Item], root: Path) -> list[pytest.Item]:
    """Return the tests with those of LONG first, and otherwise in their order."""
    ranks = {name: rank for rank, name in enumerate(LONG)}
    return sorted(items, key=lambda item: ranks.get(item.path.relative_to(root).as_posix(), len(ranks)))
