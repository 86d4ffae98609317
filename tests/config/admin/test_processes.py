"""The page Processes shows which programs run and which are silent."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from delivery.load.roles import BEAT, DRAIN, WORKER
from tests.delivery.factories_load import make_heartbeat
from tests.staff import staff

pytestmark = pytest.mark.django_db
PAGE = "admin:delivery_heartbeat_changelist"


def test_page_shows_silent_and_missing_programs_and_several_versions() -> None:
    make_heartbeat(DRAIN, machine="<b>one</b>", reported_at=timezone.now() - timedelta(minutes=5))
    make_heartbeat(WORKER, version="0.0.9", last_work="delivery.sweep", last_work_at=timezone.now())
    make_heartbeat(BEAT)
    text = staff("view_heartbeat").get(reverse(PAGE)).content.decode()
    assert "Programs are silent or missing" in text
    assert "&lt;b&gt;one&lt;/b&gt;" in text
    assert text.count(">silent<") == 1
    assert text.count(">running<") == 2
    assert "Several versions run: 0.0.9, 0.1.0." in text
    assert "delivery.sweep" in text


def test_page_of_a_platform_that_works_says_so() -> None:
    for role in (DRAIN, WORKER, BEAT):
        make_heartbeat(role)
    assert "All programs run" in staff("view_heartbeat").get(reverse(PAGE)).content.decode()


def test_page_of_a_missing_role_names_it() -> None:
    make_heartbeat(DRAIN)
    text = staff("view_heartbeat").get(reverse(PAGE)).content.decode()
    assert "No machine runs this: <strong>schedule</strong>" in text


def test_page_needs_the_permission() -> None:
    assert staff("view_event").get(reverse(PAGE)).status_code == 403
