import pytest

from delivery.sending.verdict import Verdict, judge
from delivery.transports.outcome import Failure, Outcome

PLAN = (10, 100, 1000)
FAILURES = list(Failure)


def verdict(failure: Failure | None, *, step: int = 0, moved: bool = False, **meaning: object) -> Verdict:
    outcome = Outcome(0.0, 1, failure=failure, **meaning)  # type: ignore[arg-type]
    return judge(outcome, step=step, plan=PLAN, jitter=0.5, moved=moved)


def test_judge_delivered_outcome_delivers_even_at_the_last_step() -> None:
    assert verdict(None, step=len(PLAN)) == Verdict("delivered")


def test_judge_delivered_outcome_ignores_retry_after() -> None:
    assert verdict(None, retry_after=60.0) == Verdict("delivered")


@pytest.mark.parametrize("step", [0, 1, len(PLAN)])
def test_judge_gone_is_dead_at_any_step(step: int) -> None:
    found = verdict(Failure.STATUS, step=step, gone=True)
    assert (found.state, found.cause) == ("dead", "responded_410")
    assert found.wait == 0.0


def test_judge_gone_from_a_former_address_is_retried() -> None:
    assert verdict(Failure.STATUS, gone=True, moved=True) == Verdict("pending", wait=PLAN[0])


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("overloaded", [False, True])
def test_judge_failure_is_retried_until_the_plan_is_used_up(failure: Failure, overloaded: bool) -> None:
    assert verdict(failure, overloaded=overloaded).state == "pending"
    assert verdict(failure, overloaded=overloaded, step=len(PLAN)) == Verdict("dead", cause="exhausted")


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        (None, 10),
        (40.0, 40),
        (3.0, 10),  # longer waits only, never shorter ones
        (10.0**9, 1110),  # up to what is left of the plan
    ],
)
def test_judge_waits_as_planned_but_not_less_than_retry_after(retry_after: float | None, wait: float) -> None:
    assert verdict(Failure.STATUS, retry_after=retry_after).wait == pytest.approx(wait)


def test_judge_failure_under_an_empty_plan_is_dead_at_once() -> None:
    found = judge(Outcome(0.0, 1, failure=Failure.STATUS, retry_after=5.0), step=0, plan=(), jitter=0.5)
    assert found == Verdict("dead", cause="exhausted")


@pytest.mark.parametrize("step", [0, 1, len(PLAN)])
def test_judge_final_failure_is_dead_at_any_step(step: int) -> None:
    assert verdict(Failure.BODY_NOT_OBJECT, step=step, is_final=True) == Verdict("dead", cause="body_not_object")
