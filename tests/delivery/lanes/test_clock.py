"""How long a drain gathers work, by how busy it is."""

from hypothesis import given
from hypothesis import strategies as st

from delivery.lanes.clock import ENOUGH, LONGEST_PAUSE, Pacing


def paced(turn: float, waited: float, work: int, turns: int = 1_000) -> Pacing:
    """Return the pacing after many such turns."""
    pacing = Pacing()
    for _ in range(turns):
        pacing.on_turn_ended(turn, waited, work)
    return pacing


def test_drain_that_mostly_waits_acts_at_once() -> None:
    assert paced(0.004, 0.016, 1).pause() == 0.0


def test_busy_drain_with_small_turns_gathers_for_a_turn_at_most() -> None:
    pause = paced(0.004, 0.0, 3).pause()
    assert 0.003 < pause <= 0.004


def test_busy_drain_with_large_turns_does_not_pause() -> None:
    assert paced(0.004, 0.0, ENOUGH).pause() == 0.0


def test_turns_without_work_do_not_pause() -> None:
    assert paced(0.004, 0.0, 0).pause() == 0.0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 100)), max_size=30))
def test_load_is_a_part_of_the_time_and_the_pause_is_bounded(turns: list[tuple[float, float, int]]) -> None:
    pacing = Pacing()
    for turn in turns:
        pacing.on_turn_ended(*turn)
        assert 0.0 <= pacing.load <= 1.0
        assert 0.0 <= pacing.pause() <= LONGEST_PAUSE
