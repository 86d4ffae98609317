"""Replays of receipts over REST: preview, creation, progress, cancellation."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from subscriptions.models import Tenant
from tests.factories import client_with, make_client, make_key, make_tenant
from tests.factories_receiver import make_receipt, make_source
from tests.routes import ApiRoute, RouteCases
from webhooks.models import Receipt, ReceiptReplay
from webhooks.processing.replays import run_slices

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver")]

REPLAYS = "/api/v1/receipt-replays/"


class TestRoutes(RouteCases):
    routes = [
        ApiRoute("get", "receipt-replays/", "read", 200),
        ApiRoute("post", "receipt-replays/", "manage", 201, {"all": True}),
        ApiRoute("post", "receipt-replays/preview/", "read", 200, {"all": True}),
        ApiRoute("get", "receipt-replays/{replay}/", "read", 200),
        ApiRoute("post", "receipt-replays/{replay}/cancel/", "manage", 200),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        return {"replay": ReceiptReplay.objects.create(tenant_id=tenant.pk, filter={"state": "dead"}).public_id}


def post(client: Any, path: str, body: Any) -> Any:
    return client.post(f"{REPLAYS}{path}", body, format="json")


def make_dead(tenant: Tenant, **fields: Any) -> Receipt:
    return make_receipt(make_source(tenant_id=tenant.pk, **fields), due_at=None, dead_at=timezone.now())


def test_replay_is_previewed_created_and_read_with_what_became_of_its_receipts() -> None:
    tenant = make_tenant()
    receipt = make_dead(tenant, uid="shop")
    make_dead(tenant), make_dead(make_tenant(), uid="shop")
    client = make_client(tenant)
    body = {"filter": {"source": "shop", "since": "2020-01-31T12:00:00Z"}}
    assert post(client, "preview/", body).json() == {"total": 1, "is_lower_bound": False}
    response = post(client, "", {**body, "rate": 5})
    created = response.json()
    assert (response.status_code, response["Location"]) == (201, f"http://testserver{REPLAYS}{created['id']}/")
    stored = {"state": "dead", "source": receipt.source.public_id, "since": "2020-01-31T12:00:00+00:00"}
    assert (created["state"], created["rate"], created["total"], created["filter"]) == ("running", 5, 1, stored)
    assert Receipt.objects.filter(dead_at__isnull=False).count() == 3
    for _ in range(2):
        run_slices()
        ReceiptReplay.objects.update(sliced_at=timezone.now() - timedelta(seconds=2))
    shown = client.get(f"{REPLAYS}{created['id']}/").json()
    assert (shown["state"], shown["replayed"]) == ("finished", 1)
    assert shown["receipts"] == {"pending": 1, "processed": 0, "dead": 0, "is_lower_bound": False}
    assert [it["id"] for it in client.get(f"{REPLAYS}?state=finished").json()["data"]] == [created["id"]]
    receipt.refresh_from_db()
    assert receipt.state == "pending"
    assert post(client, f"{created['id']}/cancel/", {}).status_code == 409


def test_replay_names_the_key_that_requested_it() -> None:
    key, secret = make_key(make_tenant())
    client = make_client(key.tenant)
    assert post(client, "", {"all": True}).json()["requested_by"] == ReceiptReplay.objects.get().requested_by != ""
    assert secret not in ReceiptReplay.objects.get().requested_by


def test_running_replay_is_cancelled_and_again_changes_nothing() -> None:
    tenant = make_tenant()
    make_dead(tenant)
    client = make_client(tenant)
    ref = post(client, "", {"all": True}).json()["id"]
    cancelled = [post(client, f"{ref}/cancel/", {}) for _ in range(2)]
    assert [(it.status_code, it.json()["state"]) for it in cancelled] == [(200, "cancelled")] * 2
    run_slices()
    assert Receipt.objects.get().state == "dead"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "filter"),
        ({"filter": {}}, "filter"),
        ({"filter": {"source": ""}}, "filter"),
        ({"filter": {"source": "unknown"}}, "filter.source"),
        ({"filter": {"sorce": "shop"}}, "filter.sorce"),
        ({"filter": {"sorce": "shop"}, "all": True}, "all"),
        ({"filter": {"state": "dead"}, "all": True}, "all"),
        ({"filter": {"state": "odd"}}, "filter.state"),
        ({"filter": "all"}, "filter"),
        ({"all": True, "preview": True}, "preview"),
        ({"all": True, "rate": 0}, "rate"),
        ([], ""),
    ],
)
def test_invalid_body_is_a_400_and_replays_nothing(body: Any, field: str) -> None:
    tenant = make_tenant()
    make_dead(tenant)
    response = post(make_client(tenant), "", body)
    assert (response.status_code, [it["field"] for it in response.json()["errors"]]) == (400, [field])
    assert not ReceiptReplay.objects.exists()


@pytest.mark.parametrize(("role", "found"), [("viewer", 0), ("support", 1), ("operator", 1)])
def test_text_of_an_error_is_found_by_callers_who_may_see_payloads_only(role: str, found: int) -> None:
    tenant = make_tenant()
    receipt = make_dead(tenant)
    Receipt.objects.filter(pk=receipt.pk).update(last_error="no customer with the card 4111")
    client = client_with(make_key(tenant, role=role)[1])
    assert post(client, "preview/", {"filter": {"q": "card 4111"}}).json()["total"] == found
    assert len(client.get("/api/v1/receipts/?q=card 4111").json()["data"]) == found
    assert post(client, "preview/", {"filter": {"q": receipt.message_id}}).json()["total"] == 1


def test_replay_says_whether_errors_were_searched_and_its_slices_search_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tenant = make_tenant()
    receipt = make_dead(tenant)
    Receipt.objects.filter(pk=receipt.pk).update(last_error="no customer with the card 4111")
    client = make_client(tenant)
    monkeypatch.setattr("webhooks.api.receipts.may_see_payloads", lambda *_: False)
    hidden = post(client, "", {"filter": {"q": "card 4111"}}).json()
    assert (hidden["filter"], hidden["total"]) == ({"state": "dead", "q_labels": "card 4111"}, 0)
    for _ in range(2):
        run_slices()
        ReceiptReplay.objects.update(sliced_at=timezone.now() - timedelta(seconds=2))
    assert Receipt.objects.get().state == "dead"
    monkeypatch.undo()
    assert post(client, "", {"filter": {"q": "card 4111"}}).json()["filter"] == {"state": "dead", "q": "card 4111"}
    run_slices()
    assert Receipt.objects.get().state == "pending"
