"""Test the comparison of the first third of a long run with the last."""

import pytest

from benchmarks.meter import Sample
from benchmarks.result import MIB
from benchmarks.rows.steady import DATABASE, MEMORY, P99, thirds
from benchmarks.wire.programs import Arrival

SECOND = 1_000_000_000


def test_thirds_compare_memory_latency_and_cpu_at_the_start_with_the_end() -> None:
    samples = [Sample(float(at), (100 + at) * MIB, at * at / 1_000) for at in range(10)]
    arrivals = [Arrival(at * SECOND, at * SECOND - (at + 1) * 1_000_000, 0) for at in range(10)]
    values = thirds(samples, arrivals)
    assert values[MEMORY] == (101.0, 107.0)
    assert values[P99] == (3.0, 9.0)
    assert values[DATABASE] == pytest.approx((3_000.0, 15_000.0))
