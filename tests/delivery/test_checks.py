"""Test the system checks for what sending needs of its project."""

from typing import Any

import pytest
from celery import Celery
from django.core.checks.registry import registry

from delivery import checks
from delivery.checks import check_api, check_project
from delivery.schedule import BEAT_SCHEDULE


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Celery:
    """Make the Celery app of another project current."""
    made = Celery("shop", broker="redis://127.0.0.1:1/0", set_as_current=False)
    monkeypatch.setattr(checks, "current_app", made)
    return made


def test_check_project_of_this_project_finds_nothing() -> None:
    assert check_project in registry.registered_checks
    assert check_project() == []


def test_project_without_a_broker_is_warned(app: Celery) -> None:
    app.conf.broker_url = None
    assert [it.id for it in check_project()] == ["delivery.W001"]


def test_schedule_that_lacks_tasks_is_warned_by_their_names(app: Celery) -> None:
    app.conf.beat_schedule = {name: entry for name, entry in BEAT_SCHEDULE.items() if name != "delivery.recover"}
    (warning,) = check_project()
    assert (warning.id, warning.msg.split(":")[0]) == ("delivery.W002", "Celery's schedule lacks delivery.recover")
    app.conf.beat_schedule = {**BEAT_SCHEDULE, "mine": {"task": "orders.remind", "schedule": 60}}
    assert check_project() == []


def test_api_without_its_settings_is_a_warning(settings: Any) -> None:
    assert check_api() == []
    settings.REST_FRAMEWORK = {"PAGE_SIZE": 10}
    (warning,) = check_api()
    assert warning.id == "delivery.W003"


@pytest.mark.urls("webhooks.inbound_urls")
def test_project_without_the_api_needs_no_settings_of_it(settings: Any) -> None:
    settings.REST_FRAMEWORK = {}
    assert check_api() == []
