"""Programs that have fallen silent are found, and roles that no machine runs."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.load.processes import SILENT_AFTER, SILENT_AFTER_OTHERS, processes
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
