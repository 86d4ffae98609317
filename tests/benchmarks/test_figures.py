import pytest

from benchmarks.figures import Reading, Row, compare, spoken, thirds


def row(name: str, rate: float, cpu: float, beside: str = "") -> Row:
    return Row(name, name, "", 1_000, rate, cost=Reading(cpu={"all": cpu}), beside=beside)


def test_a_row_is_compared_with_the_one_that_does_the_same_the_usual_way_whichever_came_first() -> None:
    drain, usual, idle = row("drain", 9_000.0, 0.1, "usual"), row("usual", 200.0, 5.0), row("idle", 50.0, 1.0)
    compare([drain, usual, idle])
    assert drain.times == pytest.approx((45.0, 50.0))
    assert usual.times is None
    assert idle.times is None


def test_a_usual_way_that_failed_compares_with_nothing() -> None:
    drain = row("drain", 9_000.0, 0.1, "usual")
    compare([drain, row("usual", 0.0, 0.0)])
    assert drain.times is None


def test_the_thirds_of_a_curve_are_told_by_their_middles() -> None:
    points = [(float(x), y) for x, y in enumerate([1, 2, 90, 5, 5, 5, 7, 8, 0])]
    assert thirds(points) == (2, 7)
    assert thirds(points[:2]) is None


@pytest.mark.parametrize(("seconds", "words"), [(7, "7 s"), (103.4, "103 s"), (620, "10 min")])
def test_durations_are_spoken_in_the_unit_that_fits(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
