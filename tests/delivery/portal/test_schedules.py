"""Pages of schedules: create, edit, run, pause and delete, the preview, and the limits of the plan."""

import pytest

from delivery.models import Event, Schedule
from tests.delivery.portal.sessions import portal_client, text_of
from tests.delivery.schedules.factories import make_schedule
from tests.factories import make_endpoint, make_plan, make_tenant

pytestmark = pytest.mark.django_db
NEW = "/portal/schedules/new/"
FORM = {
    "description": "Daily report",
    "expression": "cron(0 18 ? * MON-FRI *)",
    "timezone": "Europe/Berlin",
    "catch_up": "all",
    "flexible_window_minutes": "15",
    "type": "report.due",
    "subject": "A-17",
    "data": '{"at": "<schedule.scheduled_at>"}',
    "key": "k",
}


@pytest.fixture
def tenant():
    return make_tenant()


def test_schedule_is_created_once_with_its_event(tenant):
    client = portal_client(tenant)
    sent = [client.send(NEW, FORM) for _ in range(2)]
    row = Schedule.objects.get()
    assert [it["Location"] for it in sent] == [f"/portal/schedules/{row.public_id}/?done=created"] * 2
    assert (row.expression, row.timezone, row.catch_up) == (FORM["expression"], "Europe/Berlin", "all")
    assert (row.flexible_window_minutes, row.action_after_completion, row.description) == (15, "none", "Daily report")
    assert row.event == {"type": "report.due", "subject": "A-17", "data": {"at": "<schedule.scheduled_at>"}}
    assert "Daily report" in text_of(client.get("/portal/schedules/"))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"expression": "cron(0 0 30 2 ? *)"}, "expression"),
        ({"expression": ""}, "expression"),
        ({"timezone": "Europe/Berlinn"}, "timezone"),
        ({"end_at": "2001-01-01T00:00"}, "expression"),
        ({"flexible_window_minutes": "many"}, "flexible_window_minutes"),
        ({"catch_up": "some"}, "catch_up"),
        ({"type": ""}, "type"),
        ({"data": "{"}, "data"),
        ({"data": '"<schedule.nothing>"'}, "form"),
        ({"flexible_window_minutes": "9" * 50}, "flexible_window_minutes"),
        ({"data": "[" * 500 + "]" * 500}, "data"),
    ],
    ids=["never", "empty", "zone", "past", "window", "catch_up", "type", "json", "placeholder", "large", "deep"],
)
def test_wrong_field_is_named_and_nothing_is_created(tenant, changes, field):
    response = portal_client(tenant).send(NEW, {**FORM, **changes})
    assert response.status_code == 400
    text = text_of(response)
    assert f'id="error-{field}"' in text
    assert "Daily report" in text
    assert not Schedule.objects.exists()


def test_edit_shows_the_schedule_and_keeps_what_has_no_field(tenant):
    row = make_schedule(tenant, event={"type": "a", "source": "/shop", "data": {"n": 1}}, uid="mine", catch_up="none")
    client = portal_client(tenant)
    path = f"/portal/schedules/{row.public_id}/edit/"
    text = text_of(client.get(path))
    assert 'value="cron(0 9 * * ? *)"' in text
    assert "&quot;n&quot;: 1" in text
    assert client.send(path, {**FORM, "data": ""}).status_code == 303
    row.refresh_from_db()
    assert row.event == {"type": "report.due", "subject": "A-17", "source": "/shop"}
    assert (row.expression, row.uid) == (FORM["expression"], "mine")


def test_edit_without_payloads_shows_no_event_and_keeps_it(tenant):
    row = make_schedule(tenant, event={"type": "a", "data": {"n": "very-secret"}})
    client = portal_client(tenant, "view", "manage")
    path = f"/portal/schedules/{row.public_id}/edit/"
    text = text_of(client.get(path))
    assert "very-secret" not in text
    assert 'name="data"' not in text
    assert client.send(path, {"expression": "rate(1 hour)", "type": "b", "data": "1"}).status_code == 303
    row.refresh_from_db()
    assert (row.expression, row.event) == ("rate(1 hour)", {"type": "a", "data": {"n": "very-secret"}})


def test_wrong_change_is_shown_and_changes_nothing(tenant):
    row = make_schedule(tenant)
    response = portal_client(tenant).send(f"/portal/schedules/{row.public_id}/edit/", {**FORM, "expression": "often"})
    assert response.status_code == 400
    assert 'id="error-expression"' in text_of(response)
    before = row.expression
    row.refresh_from_db()
    assert row.expression == before


def test_preview_shows_ten_occurrences_in_the_zone_and_in_utc(tenant):
    client = portal_client(tenant, "view")
    form = {"expression": "cron(0 18 ? * MON-FRI *)", "timezone": "Europe/Berlin", "start_at": "2030-10-25T00:00"}
    text = text_of(client.send("/portal/schedules/preview/", form))
    assert text.count("<tr>") == 11
    assert "Fri 2030-10-25 18:00 +02:00" in text
    assert "2030-10-25 16:00" in text
    assert "Mon 2030-10-28 18:00 +01:00" in text
    assert "2030-10-28 17:00" in text
    assert "The two closest are 1 day apart." in text


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"expression": ""}, "while you type"),
        ({"expression": "often"}, "error"),
        ({"expression": "rate(1 hour)", "timezone": "Mars"}, "Unknown time zone"),
        ({"expression": "at(2030-12-24T18:00:00)"}, "It occurs once."),
    ],
    ids=["empty", "wrong", "zone", "once"],
)
def test_preview_says_what_is_wrong(tenant, form, expected):
    response = portal_client(tenant).send("/portal/schedules/preview/", form)
    assert response.status_code == 200
    assert expected in text_of(response)


def test_run_publishes_once_for_a_page(tenant):
    row = make_schedule(tenant)
    client = portal_client(tenant)
    before = row.next_at
    path = f"/portal/schedules/{row.public_id}/"
    for _ in range(2):
        assert client.send(f"{path}run/", {"key": "page"})["Location"] == f"{path}?done=run"
    event = Event.objects.get(tenant=tenant)
    assert event.event_id.startswith(row.public_id)
    assert event.public_id in text_of(client.get(path))
    row.refresh_from_db()
    assert row.next_at == before


def test_buttons_pause_resume_and_delete(tenant):
    row = make_schedule(tenant)
    client = portal_client(tenant)
    for action, state in (("pause", "paused"), ("resume", "active")):
        client.send(f"/portal/schedules/{row.public_id}/{action}/")
        row.refresh_from_db()
        assert row.state == state
    assert client.send(f"/portal/schedules/{row.public_id}/delete/")["Location"] == "/portal/schedules/?done=deleted"
    assert not Schedule.objects.exists()


def test_limits_of_the_plan_are_shown_and_refuse(tenant):
    tenant.plan = make_plan(max_schedules=2, min_schedule_interval_seconds=3600)
    tenant.save()
    make_schedule(tenant)
    client = portal_client(tenant)
    text = text_of(client.get("/portal/schedules/"))
    assert "1 of 2 schedules used." in text
    assert "At least 1 hour between two occurrences." in text
    too_often = client.send(NEW, {**FORM, "expression": "rate(5 minutes)"})
    assert too_often.status_code == 402
    assert 'id="error-form"' in text_of(too_often)
    make_schedule(tenant)
    too_many = client.send(NEW, {**FORM, "key": "other"})
    assert too_many.status_code == 402
    assert 'id="error-form"' in text_of(too_many)
    assert Schedule.objects.count() == 2


def test_session_that_only_views_has_no_buttons_and_may_change_nothing(tenant):
    row = make_schedule(tenant)
    client = portal_client(tenant, "view", "payloads")
    pages = text_of(client.get("/portal/schedules/")) + text_of(client.get(f"/portal/schedules/{row.public_id}/"))
    assert "/edit/" not in pages
    assert "/run/" not in pages
    assert client.get(NEW).status_code == client.send(NEW, FORM).status_code == 403
    for action in ("run", "pause", "delete"):
        assert client.send(f"/portal/schedules/{row.public_id}/{action}/").status_code == 403
    assert Schedule.objects.get().state == "active"


def test_session_of_an_endpoint_creates_none(tenant):
    client = portal_client(tenant, endpoint=make_endpoint(tenant))
    assert client.get(NEW).status_code == 403
    assert client.send(NEW, FORM).status_code == 403
    assert not Schedule.objects.exists()
