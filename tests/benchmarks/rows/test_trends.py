from benchmarks.instruments import Arrival
from benchmarks.rows.trends import is_flat, p99, told

RISING = [(float(x), float(x)) for x in range(1, 10)]
LEVEL = [(float(x), 10.0) for x in range(9)]


def test_a_curve_that_climbs_beyond_its_margin_is_not_flat() -> None:
    assert is_flat(LEVEL, 0.0)
    assert not is_flat(RISING, 0.5)
    assert is_flat(list(reversed([(0.0, y) for _, y in RISING])), 0.0)


def test_a_curve_that_is_too_short_proves_nothing() -> None:
    assert not is_flat(RISING[:2], 0.5)
    assert told("memory", "MiB", RISING[:2]) == "memory: too short for a trend"


def test_the_p99_is_that_of_each_stretch() -> None:
    second = 1_000_000_000
    arrivals = [Arrival(at + took, at, 0, 200) for at, took in ((0, 5_000_000), (2 * second, 7_000_000))]
    assert p99(arrivals, 1.0) == [(0.0, 5.0), (2.0, 7.0)]
