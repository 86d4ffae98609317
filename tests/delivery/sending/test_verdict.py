import pytest

from delivery.sending.verdict import Verdict, judge
from delivery.transports.outcome import Failure, Outcome

PLAN = (10, 100, 1000)


def verdict(status: int | None, failure: Failure | None, *, step: int = 0, asked: float | None = None) -> Verdict:
    outcome = Outcome(started_at=0.0, duration_ms=1, status=status, failure=failure, retry_after=asked)
    return judge(outcome, step=step, plan=PLAN, jitter=0.5)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_delivers_even_at_the_last_step(status: int) -> None:
    assert verdict(status, None, step=len(PLAN)) == Verdict("delivered")


@pytest.mark.parametrize("step", [0, 1, len(PLAN)])
def test_410_is_the_end_at_once(step: int) -> None:
    answer = verdict(410, Failure.STATUS, step=step)
    assert (answer.state, answer.cause) == ("dead", "gone")
    assert answer.is_dead


def test_410_of_an_address_it_has_left_is_a_failure_like_any_other() -> None:
    outcome = Outcome(started_at=0.0, duration_ms=1, status=410, failure=Failure.STATUS)
    assert judge(outcome, step=0, plan=PLAN, jitter=0.5, moved=True) == Verdict("pending", wait=PLAN[0])


@pytest.mark.parametrize("status", [100, 301, 302, 400, 401, 404, 409, 429, 500, 502, 503, 504, 599])
def test_whatever_else_is_answered_is_tried_again_until_the_plan_is_used_up(status: int) -> None:
    assert verdict(status, Failure.STATUS).state == "pending"
    assert verdict(status, Failure.STATUS, step=len(PLAN)) == Verdict("dead", cause="exhausted")


@pytest.mark.parametrize("failure", [it for it in Failure if it is not Failure.STATUS])
def test_no_answer_is_tried_again_until_the_plan_is_used_up(failure: Failure) -> None:
    assert verdict(None, failure).state == "pending"
    assert verdict(None, failure, step=len(PLAN)) == Verdict("dead", cause="exhausted")


@pytest.mark.parametrize(
    ("status", "failure", "wait"),
    [
        (500, Failure.STATUS, 10),
        (404, Failure.STATUS, 10),
        (302, Failure.STATUS, 10),
        (503, Failure.STATUS, 10),
        (429, Failure.STATUS, 60),
        (None, Failure.TIMEOUT, 60),
        (None, Failure.CONNECT, 10),
        (None, Failure.RESET, 10),
        (None, Failure.DNS, 10),
    ],
)
def test_who_is_overwhelmed_is_left_alone_for_a_minute(status: int | None, failure: Failure, wait: float) -> None:
    assert verdict(status, failure).wait == pytest.approx(wait)


@pytest.mark.parametrize(
    ("status", "asked", "wait"),
    [
        (503, 40, 40),
        (502, 40, 40),
        (504, 40, 40),
        (503, 3, 10),  # a floor, never a short cut
        (429, 40, 60),
        (429, 90, 90),
        (503, 10**9, 1110),  # up to the horizon
        (500, 40, 10),
        (301, 40, 10),
        (404, 40, 10),
    ],
)
def test_retry_after_is_obeyed_as_a_floor_by_those_who_may_ask(status: int, asked: float, wait: float) -> None:
    assert verdict(status, Failure.STATUS, asked=asked).wait == pytest.approx(wait)


def test_what_is_asked_for_after_a_success_means_nothing() -> None:
    assert verdict(200, None, asked=60) == Verdict("delivered")
