from delivery.transports.outcome import Failure, Outcome

START = 1_900_000_000.0


def test_outcome_without_a_failure_is_delivered() -> None:
    assert Outcome(started_at=START, duration_ms=1, status=200).delivered
    assert not Outcome(started_at=START, duration_ms=1, status=500, failure=Failure.STATUS).delivered
