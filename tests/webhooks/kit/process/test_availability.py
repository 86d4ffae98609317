"""A dependency that goes and comes back has two lines in the log, whatever number of calls failed."""

from structlog.testing import capture_logs

from webhooks.kit.process.availability import Availability


def test_first_failure_and_first_success_after_it_are_logged() -> None:
    database = Availability("database")
    with capture_logs() as lines:
        database.on_success()
        for _ in range(3):
            database.on_failure(OSError("no route\nto host"))
        for _ in range(3):
            database.on_success()
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("database unavailable", "warning"),
        ("database available again", "info"),
    ]
    assert (lines[0]["error"], lines[0]["detail"], lines[1]["failures"]) == ("OSError", "no route", 3)


def test_second_outage_is_logged_as_the_first() -> None:
    broker = Availability("broker")
    with capture_logs() as lines:
        for _ in range(2):
            broker.on_failure(OSError())
            broker.on_success()
    assert len(lines) == 4
