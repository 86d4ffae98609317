"""Schedules over REST: what is accepted, what is refused with which field, preview, run, import."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from delivery import notify
from delivery.models import Event, Schedule
from tests.delivery.schedules.factories import make_due, make_schedule
from tests.factories import make_client, make_plan, make_tenant

pytestmark = pytest.mark.django_db

API = "/api/v1/schedules/"
EVENT = {"type": "reminder.due", "data": {"at": "<schedule.scheduled_at>"}}
DAILY = {"expression": "cron(0 9 * * ? *)", "timezone": "Europe/Berlin", "event": EVENT}


@pytest.fixture(autouse=True)
def no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)


@pytest.fixture
def client() -> APIClient:
    return make_client(make_tenant(uid="acme"))


def post(client: APIClient, path: str, body: Any, **headers: str) -> Any:
    return client.post(f"{API}{path}", body, format="json", headers=headers)


def fields_in(response: Any) -> dict[str, str]:
    """Return the fields of a problem with their messages."""
    return {it["field"]: it["detail"] for it in response.json()["errors"]}


def test_schedule_is_created_with_its_next_occurrence_in_its_zone(client: APIClient) -> None:
    response = post(client, "", {**DAILY, "uid": "morning", "group": "orders"})
    made = response.json()
    assert response.status_code == 201, made
    assert response["Location"].endswith(f"/schedules/{made['id']}/")
    assert made["id"].startswith("sch_")
    next_at = datetime.fromisoformat(made["next_at"])
    assert next_at.astimezone(UTC) > timezone.now()
    assert next_at.astimezone(UTC).hour in (7, 8)
    assert made["due_at"] == made["next_at"]
    assert (made["state"], made["catch_up"], made["action_after_completion"]) == ("active", "latest", "none")
    assert made["event"] == EVENT
    assert client.get(f"{API}morning/").json() == made
    assert [it["id"] for it in client.get(f"{API}?group=orders&q=morn&state=active").json()["data"]] == [made["id"]]
    assert client.get(f"{API}?group=other").json()["data"] == []


def test_put_creates_and_replaces_by_uid(client: APIClient) -> None:
    assert client.put(f"{API}morning/", {**DAILY, "description": "first"}, format="json").status_code == 201
    replaced = client.put(f"{API}morning/", {**DAILY, "expression": "rate(2 hours)"}, format="json").json()
    assert (replaced["uid"], replaced["description"], replaced["expression"]) == ("morning", "", "rate(2 hours)")
    assert Schedule.objects.count() == 1


def test_uid_in_use_is_a_409(client: APIClient) -> None:
    post(client, "", {**DAILY, "uid": "morning"})
    assert post(client, "", {**DAILY, "uid": "morning"}).status_code == 409


def test_unknown_members_of_the_event_are_named_with_the_other_faults(client: APIClient) -> None:
    event = {"type": "a.b", "dat": 1, "tpye": 2}
    refused = post(client, "", {"expresion": "rate(1 hour)", "timezone": "Mars/Base", "event": event})
    assert refused.status_code == 400
    assert fields_in(refused).keys() >= {"expression", "expresion", "event.dat", "event.tpye"}
    assert 'did you mean "data"?' in fields_in(refused)["event.dat"]


def test_change_with_an_old_tag_is_refused(client: APIClient) -> None:
    made = post(client, "", DAILY)
    path = f"{API}{made.json()['id']}/"
    tag = client.get(path)["ETag"]
    assert client.patch(path, {"description": "x"}, format="json", headers={"If-Match": tag}).status_code == 200
    assert client.patch(path, {"description": "y"}, format="json", headers={"If-Match": tag}).status_code == 412


def test_paused_schedule_has_no_next_occurrence_until_it_is_resumed(client: APIClient) -> None:
    path = f"{API}{post(client, '', DAILY).json()['id']}/"
    paused = client.patch(path, {"state": "paused"}, format="json").json()
    assert (paused["state"], paused["next_at"], paused["due_at"]) == ("paused", None, None)
    assert client.patch(path, {"state": "active"}, format="json").json()["next_at"] is not None


def test_completed_schedule_with_new_times_is_active_again(client: APIClient) -> None:
    path = f"{API}{post(client, '', DAILY).json()['id']}/"
    Schedule.objects.update(state="completed", next_at=None, due_at=None)
    assert client.patch(path, {"description": "x"}, format="json").json()["state"] == "completed"
    assert client.patch(path, {"expression": "rate(1 hour)"}, format="json").json()["state"] == "active"


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"expression": "cron(0 25 * * ? *)"}, "expression", "hours"),
        ({"expression": "cron(0 0 31 2 ? *)"}, "expression", "Never occurs"),
        ({"expression": "at(2020-01-01T00:00:00)"}, "expression", "past"),
        ({"expression": "at(2027-03-28T02:30:00)"}, "expression", "clocks in the time zone skip"),
        ({"timezone": "Europe/Berlni"}, "timezone", "Europe/Berlin"),
        ({"end_at": "2020-01-01T00:00:00Z"}, "expression", "until end_at"),
        ({"start_at": "2031-01-01T00:00:00Z", "end_at": "2030-01-01T00:00:00Z"}, "end_at", "start_at"),
        ({"start_at": "0001-01-01T00:00:00Z"}, "start_at", "1970"),
        ({"flexible_window_minutes": 1441}, "flexible_window_minutes", "1440"),
        ({"state": "completed"}, "state", "active or paused"),
        ({"event": {}}, "event.type", ""),
        ({"event": {"type": "a.b", "dat": 1}}, "event.dat", "data"),
        ({"event": {"type": "a.b", "id": "1"}}, "event.id", "made of the schedule"),
        ({"event": {"type": "a.b", "time": "2030-01-01T00:00:00Z"}}, "event.time", "time of the occurrence"),
        ({"event": {"type": "waypost.forged"}}, "event.type", "reserved"),
        ({"event": {"type": "a.b", "data": "<schedule.now>"}}, "event", "<schedule.scheduled_at>"),
        ({"expresion": "rate(1 hour)"}, "expresion", "expression"),
    ],
)
def test_wrong_field_is_named(client: APIClient, changes: dict[str, Any], field: str, message: str) -> None:
    response = post(client, "", {**DAILY, **changes})
    assert response.status_code == 400, response.content
    found = fields_in(response)
    assert any(name.startswith(field) and message in text for name, text in found.items()), found
    assert not Schedule.objects.exists()


def test_plan_limits_number_and_interval() -> None:
    tenant = make_tenant(plan=make_plan(max_schedules=1, min_schedule_interval_seconds=3600))
    client = make_client(tenant)
    refused = post(client, "", {**DAILY, "expression": "cron(0,30 9 * * ? *)"})
    assert (refused.status_code, refused.json()["limit"]) == (402, "min_schedule_interval_seconds")
    assert (refused.json()["allowed"], refused.json()["used"]) == (3600, 1800)
    assert post(client, "", DAILY).status_code == 201
    refused = post(client, "", DAILY)
    assert (refused.status_code, refused.json()["limit"]) == (402, "max_schedules")
    limits = client.get(f"/api/v1/tenants/{tenant.public_id}/limits/").json()["data"]
    assert [it["used"] for it in limits if it["name"] == "max_schedules"] == [1]


def test_preview_shows_ten_occurrences_in_the_zone_and_in_utc(client: APIClient) -> None:
    times = {"expression": "cron(0 4 ? * SUN *)", "timezone": "Europe/Helsinki", "start_at": "2030-10-20T00:00:00Z"}
    found = post(client, "preview/", times).json()
    assert len(found["occurrences"]) == 10
    assert found["occurrences"][0] == {"at": "2030-10-20T01:00:00Z", "local": "2030-10-20T04:00:00+03:00"}
    assert found["occurrences"][1] == {"at": "2030-10-27T02:00:00Z", "local": "2030-10-27T04:00:00+02:00"}
    assert found["shortest_interval_seconds"] == 7 * 86_400
    assert not Schedule.objects.exists()


@pytest.mark.parametrize("expression", ["cron(0 0 30 2 ? *)", "at(2001-01-01T00:00:00)", "x"])
def test_preview_of_what_never_occurs_is_a_400(client: APIClient, expression: str) -> None:
    response = post(client, "preview/", {"expression": expression})
    assert (response.status_code, list(fields_in(response))) == (400, ["expression"])


def test_run_publishes_now_and_leaves_the_occurrences(client: APIClient) -> None:
    made = post(client, "", {**DAILY, "uid": "morning", "state": "paused"}).json()
    ran = [client.post(f"{API}morning/run/") for _ in range(2)]
    assert [it.status_code for it in ran] == [202, 202]
    assert len({it.json()["id"] for it in ran}) == Event.objects.count() == 2
    after = client.get(f"{API}morning/").json()
    assert (after["occurrences"], after["next_at"]) == (0, None)
    for ref in ("morning", made["id"]):
        assert len(client.get(f"/api/v1/events/?schedule={ref}").json()["data"]) == 2
    quiet = make_schedule(Schedule.objects.get().tenant)
    assert client.get(f"/api/v1/events/?schedule={quiet.public_id}").json()["data"] == []
    for unknown in ("unknown", make_schedule(make_tenant()).public_id, "sch_01h455vb4pex5vsknk084sn02q"):
        response = client.get(f"/api/v1/events/?schedule={unknown}")
        assert (response.status_code, list(fields_in(response))) == (400, ["schedule"])


def test_events_of_a_schedule_that_was_deleted_are_found_by_its_id(client: APIClient) -> None:
    made = post(client, "", {**DAILY, "uid": "morning"}).json()
    client.post(f"{API}morning/run/")
    client.delete(f"{API}morning/")
    assert len(client.get(f"/api/v1/events/?schedule={made['id']}").json()["data"]) == 1
    assert client.get("/api/v1/events/?schedule=morning").status_code == 400


def test_run_that_is_not_accepted_is_its_problem(client: APIClient) -> None:
    post(client, "", {**DAILY, "uid": "morning"})
    Schedule.objects.update(template=orjson.dumps({"type": "waypost.forged"}).decode())
    assert client.post(f"{API}morning/run/").status_code == 400


def test_schedule_of_another_tenant_does_not_exist(client: APIClient) -> None:
    other = make_schedule(make_tenant())
    assert client.get(f"{API}{other.public_id}/").status_code == 404
    assert client.post(f"{API}{other.public_id}/run/").status_code == 404


def test_deleted_schedule_is_gone() -> None:
    row = make_schedule()
    make_due(row)
    assert make_client(row.tenant).delete(f"{API}{row.public_id}/").status_code == 204
    assert not Schedule.objects.exists()


AWS = {
    "Name": "closing-time",
    "GroupName": "shops",
    "ScheduleExpression": "at(2030-12-24T18:00:00)",
    "ScheduleExpressionTimezone": "Europe/Helsinki",
    "State": "DISABLED",
    "ActionAfterCompletion": "DELETE",
    "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
    "StartDate": 1900000000,
    "Arn": "arn:aws:scheduler:eu-north-1:1:schedule/shops/closing-time",
    "Target": {
        "Arn": "arn:aws:events:eu-north-1:1:event-bus/default",
        "RoleArn": "arn:aws:iam::1:role/x",
        "Input": '{"at": "<aws.scheduler.scheduled-time>"}',
        "EventBridgeParameters": {"DetailType": "shop.closing", "Source": "shop"},
        "RetryPolicy": {"MaximumRetryAttempts": 3},
    },
}


def test_schedule_of_eventbridge_is_imported(client: APIClient) -> None:
    response = post(client, "import/", AWS)
    made = response.json()
    assert response.status_code == 201, made
    expected = {
        "uid": "closing-time",
        "group": "shops",
        "expression": "at(2030-12-24T18:00:00)",
        "timezone": "Europe/Helsinki",
        "state": "paused",
        "action_after_completion": "delete",
        "flexible_window_minutes": 15,
        "event": {"type": "shop.closing", "source": "shop", "data": {"at": "<schedule.scheduled_at>"}},
    }
    assert {name: made[name] for name in expected} == expected
    assert datetime.fromisoformat(made["start_at"]) == datetime(2030, 3, 17, 17, 46, 40, tzinfo=UTC)


def test_import_names_what_is_wrong_in_the_words_of_aws(client: APIClient) -> None:
    wrong = {**AWS, "Stat": "ENABLED", "FlexibleTimeWindow": {"Mode": "SOMETIMES"}}
    response = post(client, "import/", wrong)
    assert response.status_code == 400
    assert set(fields_in(response)) == {"Stat", "FlexibleTimeWindow.Mode"}
    in_the_past = {**AWS, "ScheduleExpression": "at(2001-01-01T00:00:00)", "StartDate": None}
    assert "ScheduleExpression" in fields_in(post(client, "import/", in_the_past))
    reserved = {**AWS, "Target": {"EventBridgeParameters": {"DetailType": "waypost.x", "Source": "a"}}}
    assert "Target.type" in fields_in(post(client, "import/", reserved))
    post(client, "import/", AWS)
    taken = post(client, "import/", AWS)
    assert (taken.status_code, set(fields_in(taken))) == (409, {"Name"})


def test_reminders_before_a_date_are_one_schedule_each(client: APIClient) -> None:
    """Forty-five, thirty, fifteen, three days and one day before a date."""
    date = datetime.now(UTC) + timedelta(days=100)
    for days in (45, 30, 15, 3, 1):
        at = (date - timedelta(days=days)).strftime("%Y-%m-%dT09:00:00")
        body = {
            "uid": f"renewal-A-17-{days}",
            "expression": f"at({at})",
            "timezone": "Europe/Berlin",
            "action_after_completion": "delete",
            "event": {"type": "renewal.reminder", "subject": "A-17", "data": {"days": days}},
        }
        assert post(client, "", body).status_code == 201
    assert Schedule.objects.count() == 5
