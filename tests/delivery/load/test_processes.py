"""Programs that have fallen silent are found, and roles that no machine runs."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.load.processes import COMPLETE_AFTER, SILENT_AFTER, SILENT_AFTER_OTHERS, processes
from delivery.load.roles import BEAT, DRAIN, READER, WEB, WORKER
from delivery.models import Heartbeat
from tests.delivery.factories_load import make_heartbeat

pytestmark = pytest.mark.django_db
WHOLE = (WEB, DRAIN, WORKER, BEAT, READER)


def make_platform(**changes: Any) -> None:
    for role in WHOLE:
        make_heartbeat(role, **changes)


def age(role: str, seconds: float) -> None:
    Heartbeat.objects.filter(role=role).update(reported_at=timezone.now() - timedelta(seconds=seconds))


def test_platform_without_heartbeats_is_not_judged() -> None:
    assert (processes().states, processes().missing, processes().summary) == ([], [], "ok")


def test_programs_that_report_are_running() -> None:
    make_platform()
    found = processes()
    assert [it.heartbeat.role for it in found.states if it.is_silent] == []
    assert (len(found.states), found.missing, found.summary) == (5, [], "ok")


@pytest.mark.parametrize("role", [WEB, DRAIN, WORKER, BEAT])
def test_program_that_does_not_report_is_silent(role: str) -> None:
    make_platform()
    age(role, SILENT_AFTER_OTHERS + 30)
    [silent] = processes().silent
    assert silent.heartbeat.role == role
    assert silent.silent_seconds >= SILENT_AFTER_OTHERS + 30
    assert processes().summary == f"{role} is silent"


def test_reader_is_silent_only_if_no_machine_has_read_for_long() -> None:
    make_platform()
    make_heartbeat(READER, machine="other")
    Heartbeat.objects.filter(role=READER, machine="other").update(reported_at=timezone.now() - timedelta(minutes=30))
    assert processes().silent == []
    age(READER, SILENT_AFTER[READER] + 30)
    assert [it.heartbeat.role for it in processes().silent] == [READER, READER]


def test_role_that_no_machine_runs_is_missing() -> None:
    make_heartbeat(WEB)
    assert processes().missing == [DRAIN, WORKER, BEAT]
    assert processes().summary == "no drain is running, no worker is running, no beat is running"


def test_versions_of_an_upgrade_are_told() -> None:
    make_heartbeat(WEB, version="1.0.0")
    make_heartbeat(DRAIN, version="1.1.0")
    assert processes().versions == ["1.0.0", "1.1.0"]


def test_no_role_is_missing_right_after_a_crash_of_the_database() -> None:
    make_heartbeat(WEB, reporting_since=timezone.now())
    assert (processes().missing, processes().summary) == ([], "ok")
    Heartbeat.objects.update(reporting_since=timezone.now() - timedelta(seconds=COMPLETE_AFTER + 1))
    assert processes().missing == [DRAIN, WORKER, BEAT]


def test_no_program_is_silent_after_a_step_of_the_clock_until_others_have_reported_for_a_while() -> None:
    make_platform(reported_at=timezone.now() - timedelta(hours=1), reporting_since=timezone.now() - timedelta(hours=2))
    assert processes().summary == "ok"  # none has reported since the step
    Heartbeat.objects.filter(role=WORKER).update(reported_at=timezone.now(), reporting_since=timezone.now())
    assert processes().summary == "ok"
    Heartbeat.objects.filter(role=WORKER).update(reporting_since=timezone.now() - timedelta(seconds=31))
    assert [it.heartbeat.role for it in processes().silent] == [BEAT, DRAIN, WEB]
    Heartbeat.objects.filter(role=WORKER).update(reporting_since=timezone.now() - timedelta(seconds=451))
    assert [it.heartbeat.role for it in processes().silent] == [BEAT, DRAIN, READER, WEB]
