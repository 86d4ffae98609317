"""Run one platform with a neighbour for all tests of a file that one process runs."""

from collections.abc import Iterator

import pytest

from tests.isolation.attack import PLAIN
from tests.isolation.platforms import Scene, scene


@pytest.fixture(scope="module")
def running() -> Iterator[Scene]:
    """Yield a platform, which ends with the tests that need it: one that has nothing to do takes a tenth of a core."""
    with scene(PLAIN) as running:
        yield running
