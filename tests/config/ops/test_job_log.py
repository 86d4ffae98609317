"""Each job of a worker has a line with its id, and what is logged meanwhile has the id too."""

from typing import Any

import pytest
import structlog
from celery import Celery
from structlog.testing import capture_logs

from config.ops import job_log


@pytest.fixture
def app() -> Celery:
    job_log.connect_signals()
    app = Celery("jobs", set_as_current=False)
    app.conf.task_always_eager = True
    return app


def job_lines(lines: list[Any]) -> list[Any]:
    return [line for line in lines if line["event"] == "job finished"]


def test_job_has_a_line_with_its_outcome_and_its_id(app: Celery, settings: Any) -> None:
    settings.WAYPOST_JOB_LOG = True
    seen: list[dict[str, Any]] = []

    @app.task(name="jobs.count")
    def count() -> None:
        seen.append(dict(structlog.contextvars.get_contextvars()))

    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        result = count.apply()
    [line] = job_lines(lines)
    assert (line["job"], line["job_id"], line["outcome"]) == ("jobs.count", result.id, "succeeded")
    assert line["seconds"] >= 0
    assert seen == [{"job": "jobs.count", "job_id": result.id}]
    assert "job_id" not in structlog.contextvars.get_contextvars()


def test_failed_job_says_so(app: Celery, settings: Any) -> None:
    settings.WAYPOST_JOB_LOG = True

    @app.task(name="jobs.fail")
    def fail() -> None:
        raise ValueError("bug")

    with capture_logs() as lines:
        fail.apply()
    assert [line["outcome"] for line in job_lines(lines)] == ["failed"]


def test_setting_switches_the_lines_off(app: Celery, settings: Any) -> None:
    settings.WAYPOST_JOB_LOG = False

    @app.task(name="jobs.quiet")
    def quiet() -> None:
        pass

    with capture_logs() as lines:
        quiet.apply()
    assert job_lines(lines) == []
