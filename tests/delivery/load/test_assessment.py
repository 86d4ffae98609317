"""Check the decision whether the platform needs more capacity."""

from typing import Any

import pytest

from delivery.load.assessment import ADVICE, Busy, BusyBecause, DrainLoad, Load, assess


def drain(load: float, *, waiting: float = 0.0, turn_size: float = 480.0, in_flight: int = 0) -> DrainLoad:
    return DrainLoad(load, waiting, turn_size, in_flight, max_in_flight=2048)


def load(*drains: DrainLoad, machine: float = 0.5, web: float = 0.1, behind: float = 0.0, due: int = 0) -> Load:
    return Load(drains, [machine] * len(drains), [web], behind, due)


NO, SOON, NOW = Busy
OF = BusyBecause


@pytest.mark.parametrize(
    ("measured", "busy", "because"),
    [
        (load(), NO, OF.NOTHING),
        (load(due=5, behind=60), NOW, OF.NO_DRAINS),
        (load(drain(0.1), drain(0.2)), NO, OF.NOTHING),
        (load(drain(1.0, turn_size=8)), NO, OF.NOTHING),  # many small turns: it can do much more
        (load(drain(0.7)), SOON, OF.DRAINS),
        (load(drain(0.95)), NOW, OF.DRAINS),
        (load(drain(0.95), drain(0.0)), NO, OF.NOTHING),  # half of the capacity is free
        (load(drain(0.95), machine=0.9), NOW, OF.MACHINE),
        (load(drain(0.95, waiting=0.6)), NOW, OF.DATABASE),
        (load(drain(0.95, waiting=0.6), machine=0.9), NOW, OF.MACHINE),  # it may wait for a processor
        (load(drain(0.3), machine=0.97), SOON, OF.MACHINE),
        (load(drain(0.2), behind=12), SOON, OF.DRAINS),
        (load(drain(0.9, turn_size=20), behind=12), NOW, OF.DRAINS),
        (load(drain(0.1, in_flight=2040), behind=12), NOW, OF.PLACES),
        (load(drain(0.1, in_flight=2040)), NO, OF.NOTHING),
        (load(drain(0.1), web=0.95), SOON, OF.WEB),
        (load(drain(0.95), web=0.95), NOW, OF.DRAINS),
    ],
)
def test_decision_follows_from_the_load(measured: Load, busy: Busy, because: BusyBecause) -> None:
    decided = assess(measured)
    assert (decided.busy, decided.because) == (busy, because)
    assert decided.reason.endswith(".")
    assert bool(decided.advice) == (busy is not NO)


def test_reason_has_the_numbers() -> None:
    decided = assess(load(drain(1.0, waiting=0.62), behind=12))
    assert decided.reason == (
        "The drains use 91 % of their capacity, and wait for the database 62 % of the time."
        " Deliveries have waited 12 s for a drain."
    )
    assert decided.advice == ADVICE[BusyBecause.DATABASE]


@pytest.mark.parametrize(("turn_size", "used"), [(0.0, 0.0), (48.0, 0.4), (432.0, 0.72)])
def test_used_is_less_than_the_load_where_turns_are_small(turn_size: float, used: float) -> None:
    assert drain(0.8, turn_size=turn_size).used == pytest.approx(used)


def test_places_without_a_limit_are_not_divided_by_zero() -> None:
    nothing: dict[str, Any] = {"load": 0.0, "waiting": 0.0, "turn_size": 0.0}
    assert DrainLoad(**nothing, in_flight=0, max_in_flight=0).places == 0
