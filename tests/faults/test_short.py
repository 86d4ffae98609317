"""The short form of the fault suite: one of each kind of fault on the running platform, under load, with the ledger.

The long form, every fault with many seeds, is ``make faults``.
"""

from collections.abc import Iterator

import pytest

from tests.faults.houses import plain
from tests.faults.injectors import FAULTS
from tests.faults.scene import Scene, scene

SEED = 1
CHOSEN = (
    "kill -9 a delivery process",
    "Valkey gone",
    "PostgreSQL restarted, immediate",
    "an endpoint: cut",
)


@pytest.fixture(scope="module")
def stage() -> Iterator[Scene]:
    with plain() as house, scene(house) as stage:
        yield stage


@pytest.mark.parametrize("name", CHOSEN)
def test_whatever_breaks_every_promise_is_kept(stage: Scene, name: str) -> None:
    result = stage.play(FAULTS[name], SEED)
    assert result.promised
    assert result.report.breaches == []
