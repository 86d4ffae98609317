"""The operations on the page of an endpoint: buttons, confirmation, editing."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from subscriptions.endpoints.http.encrypted_fields import decrypt_fields
from subscriptions.models import Endpoint
from tests.factories import make_client, make_endpoint
from tests.staff import staff

pytestmark = pytest.mark.django_db


def page(endpoint: Endpoint, name: str = "change", *arguments: str) -> str:
    return reverse(f"admin:subscriptions_endpoint_{name}", args=[endpoint.pk, *arguments])


def titles(client: Client, endpoint: Endpoint) -> list[str]:
    return [it.title for it in client.get(page(endpoint)).context["buttons"]]


@pytest.fixture
def client() -> Client:
    return staff("view_endpoint", "change_endpoint")


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("active", {"Pause", "Edit…", "Disable…", "Retry all pending now", "Test…"}),
        ("paused", {"Resume", "Edit…", "Disable…", "Test…"}),
        ("disabled", {"Enable", "Edit…", "Test…"}),
    ],
)
def test_page_shows_the_operations_that_apply(client: Client, state: str, shown: set[str]) -> None:
    endpoint = make_endpoint(state=state, disabled_reason="operator" if state == "disabled" else "")
    assert set(titles(client, endpoint)) == shown


def test_viewer_sees_no_operations_and_may_run_none() -> None:
    endpoint = make_endpoint()
    viewer = staff("view_endpoint")
    assert titles(viewer, endpoint) == []
    assert viewer.post(page(endpoint, "operation", "pause")).status_code == 403
    assert viewer.get(page(endpoint, "edit")).status_code == 403
    assert viewer.get(page(endpoint, "test")).status_code == 403


@pytest.mark.parametrize(
    ("name", "state", "becomes"),
    [("pause", "active", "paused"), ("resume", "paused", "active"), ("enable", "disabled", "active")],
)
def test_button_changes_the_state_and_is_logged(client: Client, name: str, state: str, becomes: str) -> None:
    endpoint = make_endpoint(state=state, disabled_reason="operator" if state == "disabled" else "")
    response = client.post(page(endpoint, "operation", name))
    endpoint.refresh_from_db()
    assert (response["Location"], endpoint.state) == (page(endpoint), becomes)
    assert LogEntry.objects.get().object_id == str(endpoint.pk)


def test_disabling_asks_for_a_reason_and_stores_it(client: Client) -> None:
    endpoint = make_endpoint()
    path = page(endpoint, "operation", "disable")
    assert "Reason" in client.get(path).content.decode()
    refused = client.post(path)
    endpoint.refresh_from_db()
    assert (refused.status_code, endpoint.state) == (200, "active")
    client.post(path, {"reason": "Abuse of the API"})
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.disabled_note) == ("disabled", "Abuse of the API")
    assert "Abuse of the API" in client.get(page(endpoint)).content.decode()
    client.post(page(endpoint, "operation", "enable"))
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.disabled_note) == ("active", "")


def test_refused_operation_is_reported_and_not_logged(client: Client) -> None:
    endpoint = make_endpoint(state="disabled", disabled_reason="operator")
    response = client.post(page(endpoint, "operation", "pause"), follow=True)
    assert "The endpoint is disabled" in response.content.decode()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("name", ["edit", "nothing"])
def test_unknown_operation_is_not_found(client: Client, name: str) -> None:
    assert client.post(page(make_endpoint(), "operation", name)).status_code == 404


def test_deleted_endpoint_has_no_operations(client: Client) -> None:
    endpoint = make_endpoint()
    Endpoint.objects.update(deleted_at=endpoint.created_at)
    assert titles(client, endpoint) == []
    assert client.post(page(endpoint, "operation", "pause")).status_code == 404


def edited(client: Client, endpoint: Endpoint, **changes: object) -> dict[str, list[str]]:
    """Post the form with these changes; return its errors."""
    form = client.get(page(endpoint, "edit")).context["form"]
    given = {name: form[name].value() for name in form.fields}
    response = client.post(
        page(endpoint, "edit"), {name: value for name, value in {**given, **changes}.items() if value is not None}
    )
    return {} if response.status_code == 302 else dict(response.context["form"].errors)


def test_edit_changes_what_was_changed_and_keeps_hidden_values(client: Client) -> None:
    endpoint = make_endpoint()
    owner = make_client(endpoint.tenant)
    owner.patch(f"/api/v1/endpoints/{endpoint.public_id}/", {"headers": {"X-Key": "s3cret", "X-Old": "a"}})
    shown = client.get(page(endpoint, "edit")).content.decode()
    assert "X-Key: ***" in shown
    assert "s3cret" not in shown
    changes = {"timeout_ms": 5000, "rate_limit": 7, "retry_plan": "5, 60", "headers": "X-Key: ***\nX-New: b"}
    assert edited(client, endpoint, **changes) == {}
    endpoint = Endpoint.objects.select_related("http").get(pk=endpoint.pk)
    assert (endpoint.timeout_ms, endpoint.rate_limit, endpoint.retry_plan) == (5000, 7, [5, 60])
    assert decrypt_fields(endpoint.http).headers == {"X-Key": "s3cret", "X-New": "b"}
    assert "timeout_ms" in LogEntry.objects.get().get_change_message()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", "ftp://a"),
        ("timeout_ms", 10),
        ("rate_limit", 0),
        ("max_in_flight", 1000),
        ("headers", "no colon"),
        ("headers", "Host: a"),
        ("headers", "X-Unknown: ***"),
        ("retry_plan", "soon"),
        ("retry_plan", "0"),
        ("description", "a\x07"),
    ],
)
def test_invalid_value_is_shown_at_its_field(client: Client, name: str, value: object) -> None:
    endpoint = make_endpoint()
    assert list(edited(client, endpoint, **{name: value})) == [name]
    assert not LogEntry.objects.exists()


def test_operator_disables_with_a_note_over_rest_and_the_owner_cannot() -> None:
    endpoint = make_endpoint()
    path = f"/api/v1/endpoints/{endpoint.public_id}/"
    refused = make_client(endpoint.tenant).patch(path, {"state": "paused", "disabled_note": "mine"})
    assert refused.json()["errors"][0]["pointer"] == "#/disabled_note"
    assert make_client().patch(path, {"disabled_note": "alone"}).status_code == 400
    shown = make_client().patch(path, {"state": "disabled", "disabled_note": "Abuse"}).json()
    assert (shown["state"], shown["disabled_note"]) == ("disabled", "Abuse")
