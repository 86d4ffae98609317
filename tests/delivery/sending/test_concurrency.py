"""How many attempts at once an endpoint is trusted with, by a clock of the test's own. (The rate: test_lanes.)"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.sending.concurrency import CALM, NOTICEABLE, WINDOW, Window
from delivery.transports.outcome import Failure, Outcome

START = 1_900_000_000.0


def success(ms: int = 10) -> Outcome:
    return Outcome(START, ms, status=200)


TOO_MUCH = {
    "429": Outcome(START, 5, status=429, failure=Failure.STATUS),
    "503": Outcome(START, 5, status=503, failure=Failure.STATUS),
    "timeout": Outcome(START, 15_000, failure=Failure.TIMEOUT),
}
BROKEN = {
    "500": Outcome(START, 5, status=500, failure=Failure.STATUS),
    "refused": Outcome(START, 5, failure=Failure.CONNECT),
}


class TestGrowing:
    def test_an_endpoint_nothing_is_known_of_is_trusted_with_a_few(self) -> None:
        assert Window(512).places == WINDOW

    def test_each_success_adds_one_up_to_what_its_owner_allows(self) -> None:
        window = Window(20)
        sizes = []
        for _ in range(6):
            window.ended(success(), START)
            sizes.append(window.places)
        assert sizes == [17, 18, 19, 20, 20, 20]

    def test_an_owner_who_allows_less_is_obeyed_at_once(self) -> None:
        window = Window(512)
        window.most = 3
        assert window.places == 3


class TestShrinking:
    @pytest.mark.parametrize("outcome", TOO_MUCH.values(), ids=TOO_MUCH.keys())
    def test_who_says_that_it_is_too_much_gets_half(self, outcome: Outcome) -> None:
        window = Window(512)
        window.ended(outcome, START)
        assert window.places == WINDOW // 2

    @pytest.mark.parametrize("outcome", BROKEN.values(), ids=BROKEN.keys())
    def test_what_is_merely_broken_says_nothing_about_its_strength(self, outcome: Outcome) -> None:
        window = Window(512)
        window.ended(outcome, START)
        assert window.places == WINDOW

    def test_the_answers_of_one_moment_count_once(self) -> None:
        window = Window(512)
        for _ in range(WINDOW):
            window.ended(TOO_MUCH["429"], START)
        assert window.places == WINDOW // 2
        window.ended(TOO_MUCH["429"], START + CALM)
        assert window.places == WINDOW // 4

    @given(st.lists(st.sampled_from([*TOO_MUCH.values(), *BROKEN.values(), success(), success(9_000)])))
    def test_it_never_falls_below_one_nor_rises_above_what_is_allowed(self, outcomes: list[Outcome]) -> None:
        window = Window(24)
        for second, outcome in enumerate(outcomes):
            window.ended(outcome, START + second)
            assert 1 <= window.places <= 24


class TestLatency:
    def slowed(self, ms: int, *, after: float = 1.0) -> int:
        window = Window(512, size=100)
        window.ended(success(100), START)
        window.ended(success(ms), START + after)
        return window.places

    def test_who_answers_much_more_slowly_than_it_can_gets_less(self) -> None:
        assert self.slowed(int(1000 * NOTICEABLE) + 200) == 80

    def test_what_nobody_would_notice_is_not_slow(self) -> None:
        assert self.slowed(400) == 102

    def test_a_new_norm_is_accepted_by_and_by(self) -> None:
        assert self.slowed(700, after=300.0) == 102

    def test_it_recovers_when_the_endpoint_does(self) -> None:
        window = Window(512, size=100)
        window.ended(success(100), START)
        for second in range(1, 11):
            window.ended(success(5_000), START + second)
        low = window.places
        for _ in range(50):
            window.ended(success(100), START + 20)
        assert (low < 15, window.places) == (True, low + 50)
