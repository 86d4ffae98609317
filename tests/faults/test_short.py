"""Test one fault of each kind on the running platform under load: the short form of the fault suite.

The long form, every fault with many seeds, is ``make faults``.
"""

from collections.abc import Iterator

import pytest

from tests.faults.fault_run import FaultRunner, fault_runner
from tests.faults.injectors import FAULTS
from tests.faults.platforms import plain

SEED = 1
CHOSEN = (
    "kill -9 a delivery process",
    "kill -9 the processes that route deferred events",
    "Valkey gone",
    "PostgreSQL restarted, immediate",
    "an endpoint: cut",
)


@pytest.fixture(scope="module")
def runner() -> Iterator[FaultRunner]:
    with plain() as platform, fault_runner(platform) as runner:
        yield runner


@pytest.mark.parametrize("name", CHOSEN)
def test_fault_violates_no_delivery_guarantee(runner: FaultRunner, name: str) -> None:
    result = runner.run(FAULTS[name], SEED)
    assert result.accepted > result.deferred > 0
    assert result.report.violations == []
