"""Run one platform with a neighbour for all tests of this package that one process runs."""

from collections.abc import Iterator

import pytest

from tests.isolation.attack import PLAIN
from tests.isolation.platforms import Scene, scene


@pytest.fixture(scope="session")
def running() -> Iterator[Scene]:
    with scene(PLAIN) as running:
        yield running
