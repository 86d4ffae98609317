"""Replay, discard and acknowledge dead letters over REST, and the jobs for many."""

import pytest
from rest_framework.test import APIClient

from delivery.models import DeadLetter, Delivery
from delivery.replaying import closing
from subscriptions.models import Endpoint, Tenant
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import client_with, make_client, make_endpoint, make_key, make_tenant

pytestmark = pytest.mark.django_db
LETTERS, JOBS = "/api/v1/dead-letters/", "/api/v1/dead-letter-jobs/"


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def client(tenant: Tenant) -> APIClient:
    return make_client(tenant)


@pytest.fixture
def endpoint(tenant: Tenant) -> Endpoint:
    return make_endpoint(tenant)


def make_letter(endpoint: Endpoint, **changes: object) -> DeadLetter:
    return make_dead_letter(make_delivery(make_event(endpoint.tenant), endpoint), **changes)


def change(client: APIClient, letter: DeadLetter, verb: str, **body: str) -> tuple[int, str]:
    response = client.post(f"{LETTERS}{letter.public_id}/{verb}/", body)
    return response.status_code, response.json().get("state", response.json().get("detail", ""))


def test_replay_of_one_dead_letter_sends_its_delivery_again(client: APIClient, endpoint: Endpoint) -> None:
    letter, other = make_letter(endpoint), make_letter(endpoint)
    assert change(client, letter, "replay") == (200, "replayed")
    assert Delivery.objects.get(pk=letter.delivery_id).state == "pending"
    assert Delivery.objects.get(pk=other.delivery_id).state == "dead"
    assert change(client, letter, "replay")[0] == 409


def test_discarded_dead_letter_shows_who_and_why(client: APIClient, endpoint: Endpoint) -> None:
    letter = make_letter(endpoint)
    shown = client.post(f"{LETTERS}{letter.public_id}/discard/", {"note": "test data"}).json()
    assert (shown["state"], shown["note"]) == ("discarded", "test data")
    assert shown["closed_by"]
    assert change(client, letter, "discard") == (200, "discarded")
    assert change(client, letter, "acknowledge")[0] == change(client, letter, "replay")[0] == 409


def test_acknowledged_dead_letter_is_listed_as_such(client: APIClient, endpoint: Endpoint) -> None:
    letter, other = make_letter(endpoint), make_letter(endpoint)
    assert change(client, letter, "acknowledge", note="known") == (200, "acknowledged")
    assert change(client, letter, "acknowledge") == (200, "acknowledged")

    def listed(state: str) -> list[str]:
        return [row["id"] for row in client.get(LETTERS, {"state": state}).json()["data"]]

    assert (listed("open"), listed("acknowledged")) == ([other.public_id], [letter.public_id])
    change(client, other, "discard")
    assert (listed("open"), listed("discarded"), listed("replayed")) == ([], [other.public_id], [])


def test_replayed_dead_letter_cannot_be_discarded(client: APIClient, endpoint: Endpoint) -> None:
    letter = make_letter(endpoint)
    change(client, letter, "replay")
    assert change(client, letter, "discard")[0] == change(client, letter, "acknowledge")[0] == 409


def test_dead_letter_of_another_tenant_is_not_found(client: APIClient) -> None:
    letter = make_letter(make_endpoint(make_tenant()))
    assert {change(client, letter, verb)[0] for verb in ("replay", "discard", "acknowledge")} == {404}


def test_job_discards_what_matches(client: APIClient, endpoint: Endpoint) -> None:
    for cause in ("expired", "expired", "exhausted"):
        make_letter(endpoint, cause=cause)
    body = {"operation": "discard", "filter": {"cause": "expired"}, "note": "old"}
    preview = client.post(f"{JOBS}preview/", {name: body[name] for name in ("operation", "filter")})
    assert preview.json() == {"total": 2, "is_lower_bound": False}
    created = client.post(JOBS, body)
    assert (created.status_code, created.json()["total"]) == (201, 2)
    closing.run_slices()
    shown = client.get(f"{JOBS}{created.json()['id']}/").json()
    assert (shown["state"], shown["changed"], shown["note"]) == ("finished", 2, "old")
    assert client.post(f"{JOBS}{shown['id']}/cancel/").status_code == 409
    assert [row["id"] for row in client.get(JOBS).json()["data"]] == [shown["id"]]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"operation": "discard"}, "#/filter"),
        ({"filter": {"cause": "expired"}}, "#/operation"),
        ({"operation": "delete", "all": True}, "#/operation"),
        ({"operation": "discard", "filter": {"source": "/a"}}, "#/filter/source"),
        ({"operation": "discard", "filter": {"state": "replayed"}}, "#/filter/state"),
    ],
    ids=["no filter", "no operation", "unknown operation", "filter of events", "closed state"],
)
def test_invalid_job_is_refused(client: APIClient, body: dict[str, object], pointer: str) -> None:
    response = client.post(JOBS, body)
    assert response.status_code == 400
    assert pointer in [it["pointer"] for it in response.json()["errors"]]


def test_key_of_one_endpoint_changes_its_dead_letters_only(tenant: Tenant, endpoint: Endpoint) -> None:
    own, other = make_letter(endpoint), make_letter(make_endpoint(tenant))
    client = client_with(make_key(tenant, "read", "manage", endpoint=endpoint)[1])
    assert (change(client, own, "discard")[0], change(client, other, "discard")[0]) == (200, 404)
    created = client.post(JOBS, {"operation": "acknowledge", "all": True})
    closing.run_slices()
    assert created.json()["filter"] == {"endpoint": endpoint.public_id}
    other.refresh_from_db()
    assert other.state == "open"
