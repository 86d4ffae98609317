"""Replays over REST: preview, create, read, cancel."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from delivery.models import DeadLetter, Delivery, Replay
from delivery.replaying import replays
from subscriptions.models import Tenant
from tests.delivery.factories import make_dead_letter, make_delivery, make_event, make_replay
from tests.factories import make_client, make_endpoint, make_tenant
from tests.routes import ApiRoute, RouteCases

pytestmark = pytest.mark.django_db

REPLAYS = "/api/v1/replays/"


def make_letter(tenant: Tenant, **changes: Any) -> DeadLetter:
    return make_dead_letter(make_delivery(make_event(tenant), make_endpoint(tenant)), **changes)


class TestReplayRoutes(RouteCases):
    routes = [
        ApiRoute("get", "replays/", "read", 200),
        ApiRoute("post", "replays/", "manage", 201, {"all": True}),
        ApiRoute("post", "replays/preview/", "read", 200, {"all": True}),
        ApiRoute("get", "replays/{replay}/", "read", 200),
        ApiRoute("post", "replays/{replay}/cancel/", "manage", 200),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        return {"replay": make_replay(tenant).public_id}


def test_preview_counts_and_changes_nothing(client: APIClient, tenant: Tenant) -> None:
    make_letter(tenant, cause="responded_410")
    make_letter(tenant)
    make_letter(make_tenant())
    response = client.post(f"{REPLAYS}preview/", {"filter": {"cause": "exhausted"}})
    assert response.status_code == 200
    found = response.json()
    assert (found["total"], found["estimated"], found["is_lower_bound"], found["warnings"]) == (1, False, False, [])
    assert [it["count"] for it in found["endpoints"]] == [it["count"] for it in found["types"]] == [1]
    assert not Replay.objects.exists()


def test_replay_selects_what_matches_and_names_who_requested(client: APIClient, tenant: Tenant) -> None:
    letter = make_letter(tenant)
    make_letter(tenant)
    response = client.post(REPLAYS, {"filter": {"ids": [letter.public_id]}, "rate": 7})
    assert response.status_code == 201
    row = Replay.objects.get()
    assert response.json()["id"] == row.public_id
    assert (row.tenant, row.total, row.rate) == (tenant, 1, 7)
    assert response.json()["filter"] == {"ids": [letter.public_id]}
    assert row.requested_by.startswith("wp_")


def test_replay_of_another_tenants_rows_is_a_400_as_of_unknown_ones(client: APIClient) -> None:
    letter = make_letter(make_tenant())
    response = client.post(REPLAYS, {"filter": {"ids": [letter.public_id]}})
    (error,) = response.json()["errors"]
    assert (response.status_code, error["field"], error["code"]) == (400, "filter.ids", "unknown")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "filter"),
        ({"filter": {}}, "filter"),
        ({"filter": {"type": "", "endpoint": None}}, "filter"),
        ({"filter": {"type": "t"}, "all": True}, "all"),
        ({"scope": "events", "filter": {"force": False}}, "filter"),
        ({"filter": "all"}, "filter"),
        ({"filter": {"cause": "boredom"}}, "filter.cause"),
        ({"filter": {"endpoint": "evt_01m83t2ghzevcannga6my0tf3k"}}, "filter.endpoint"),
        ({"filter": {"since": "2026-01-01"}}, "filter.since"),
        ({"filter": {"colour": "red"}}, "filter.colour"),
        ({"filter": {"ids": "dl_1"}}, "filter.ids"),
        ({"scope": "everything", "all": True}, "scope"),
        ({"scope": "events", "filter": {"cause": "responded_410"}}, "filter.cause"),
        ({"scope": "events", "filter": {"force": True}}, "filter.force"),
        ({"scope": "events", "filter": {"endpoint": "unknown"}}, "filter.endpoint"),
        ({"scope": "missing", "filter": {"endpoint": "ep_01m83t2ghzevcannga6my0tf3k"}}, "filter.endpoint"),
        ({"all": True, "rate": 0}, "rate"),
        ({"all": True, "rate": 10_001}, "rate"),
        ({"all": True, "rate": "fast"}, "rate"),
    ],
)
def test_invalid_filter_or_rate_names_the_field(client: APIClient, body: dict[str, Any], field: str) -> None:
    response = client.post(REPLAYS, body)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, field)
    assert not Replay.objects.exists()


def test_all_faults_of_a_filter_are_reported_at_once(client: APIClient) -> None:
    given = {"sorce": "/x", "colour": "red", "since": "today", "cause": "boredom", "labels": 1, "type": "no.such"}
    for path in (REPLAYS, f"{REPLAYS}preview/"):
        response = client.post(path, {"filter": given})
        found = {error["field"] for error in response.json()["errors"]}
        assert (response.status_code, found) == (400, {f"filter.{name}" for name in given})


def test_events_are_named_by_their_own_ids(client: APIClient, tenant: Tenant) -> None:
    first, second = (make_event(tenant, event_id=name) for name in ("order-1", "order-2"))
    make_event(make_tenant(), event_id="order-3")
    body = {"scope": "events", "filter": {"ids": ["order-1", second.public_id, "order-1"]}}
    response = client.post(REPLAYS, body)
    assert response.status_code == 201, response.content
    assert response.json()["filter"] == {"ids": [first.public_id, second.public_id]}
    make_event(tenant, event_id="order-1", source="/another")
    for name, reason in (("order-1", "several events"), ("order-3", "there is no event")):
        refused = client.post(REPLAYS, {"scope": "events", "filter": {"ids": [name]}})
        (error,) = refused.json()["errors"]
        assert (refused.status_code, error["field"]) == (400, "filter.ids")
        assert reason in str(error)


def test_operator_without_a_tenant_is_rejected() -> None:
    response = make_client(None).post(REPLAYS, {"all": True})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "tenant")


def test_cancel_is_idempotent_and_of_a_finished_replay_a_409(client: APIClient, tenant: Tenant) -> None:
    running, finished = make_replay(tenant), make_replay(tenant, state="finished")
    for _ in range(2):
        response = client.post(f"{REPLAYS}{running.public_id}/cancel/")
        assert (response.status_code, response.json()["state"]) == (200, "cancelled")
    assert client.post(f"{REPLAYS}{finished.public_id}/cancel/").status_code == 409


def test_running_replay_shows_its_progress(client: APIClient, tenant: Tenant) -> None:
    make_letter(tenant)
    created = client.post(REPLAYS, {"all": True}).json()
    replays.run_slices()
    shown = client.get(f"{REPLAYS}{created['id']}/").json()
    assert (shown["state"], shown["replayed"], shown["total"]) == ("finished", 1, 1)


def test_state_filter_selects_replays(client: APIClient, tenant: Tenant) -> None:
    make_replay(tenant, state="finished")
    running = make_replay(tenant)
    assert [row["id"] for row in client.get(REPLAYS, {"state": "running"}).json()["data"]] == [running.public_id]


def test_past_events_are_replayed_to_an_endpoint_by_uid(client: APIClient, tenant: Tenant) -> None:
    endpoint = make_endpoint(tenant, uid="late")
    event = make_event(tenant)
    body = {"scope": "missing", "filter": {"endpoint": "late", "force": True, "type": event.type}, "rate": 5}
    previewed = {name: body[name] for name in ("scope", "filter")}
    found = client.post(f"{REPLAYS}preview/", previewed).json()
    assert (found["total"], found["is_lower_bound"], found["warnings"]) == (1, False, [])
    created = client.post(REPLAYS, body).json()
    assert (created["scope"], created["total"], created["filter"]["endpoint"]) == ("missing", 1, endpoint.public_id)
    replays.run_slices()
    delivery = Delivery.objects.get()
    assert (delivery.endpoint_id, delivery.event_id, delivery.state) == (endpoint.id, event.id, "pending")
