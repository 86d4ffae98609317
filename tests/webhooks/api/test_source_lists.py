"""Sources are listed, filtered and put in place as endpoints are."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from subscriptions.models import Tenant
from tests.factories import make_client, make_tenant
from tests.factories_receiver import make_receipt, make_source
from webhooks.models import Rejection, Source
from webhooks.sources.secret_rotation import active_secrets

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

SOURCES = "/api/v1/sources/"


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def client(tenant: Tenant) -> APIClient:
    return make_client(tenant)


def uids(client: APIClient, query: dict[str, Any]) -> set[str]:
    response = client.get(SOURCES, query)
    assert response.status_code == 200, response.content
    return {row["uid"] for row in response.json()["data"]}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"uid": "shop"}, {"shop"}),
        ({"state": "paused"}, {"crm"}),
        ({"state": "active"}, {"shop"}),
        ({"labels": "env:prod"}, {"shop"}),
        ({"q": "THE SHOP"}, {"shop"}),
        ({"url": "crm.example"}, {"crm"}),
        ({"scheme": "github"}, {"crm"}),
        ({"since": "2020-01-01T00:00:00Z"}, {"shop", "crm"}),
        ({"until": "2020-01-01T00:00:00Z"}, set()),
    ],
)
def test_list_is_filtered(client: APIClient, tenant: Tenant, query: dict[str, str], found: set[str]) -> None:
    make_source(tenant_id=tenant.pk, uid="shop", name="Events of the shop", labels={"env": "prod"})
    public_url = "https://crm.example.com/in"
    make_source(
        tenant_id=tenant.pk, uid="crm", scheme="github", paused_at=timezone.now(), public_url=public_url, secret="x"
    )
    make_source(tenant_id=make_tenant().pk, uid="shop", name="the shop", labels={"env": "prod"})
    assert uids(client, query) == found


def test_list_is_filtered_by_the_address_that_senders_post_to(client: APIClient, tenant: Tenant) -> None:
    source, _ = make_source(tenant_id=tenant.pk, uid="shop"), make_source(tenant_id=tenant.pk, uid="crm")
    url = client.get(f"{SOURCES}shop/").json()["url"]
    assert source.public_id in url
    assert uids(client, {"url": url}) == {"shop"}
    assert uids(client, {"url": "/in/"}) == {"shop", "crm"}


def test_put_to_a_free_uid_creates_the_source_with_its_secret(client: APIClient, tenant: Tenant) -> None:
    created = client.put(f"{SOURCES}shop/", {"scheme": "standard", "labels": {"env": "prod"}})
    assert (created.status_code, created.json()["uid"]) == (201, "shop")
    assert created.json()["secret"].startswith("whsec_")
    assert client.get(created["Location"]).json()["labels"] == {"env": "prod"}


def test_put_repeated_replaces_the_source_and_keeps_its_secrets(client: APIClient, tenant: Tenant) -> None:
    body = {"scheme": "github", "secret": "shh", "name": "GitHub", "max_bytes": 1000}
    created = client.put(f"{SOURCES}github/", body)
    again = client.put(f"{SOURCES}github/", body)
    assert (created.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == created.json()["id"]
    shorter = client.put(f"{SOURCES}github/", {"scheme": "github"}).json()
    assert (shorter["uid"], shorter["name"], shorter["max_bytes"]) == ("github", "", 25 * 1024 * 1024)
    assert active_secrets(Source.objects.get()).count() == 1


def test_put_with_another_secret_is_refused_and_changes_nothing(client: APIClient) -> None:
    client.put(f"{SOURCES}github/", {"scheme": "github", "secret": "shh", "name": "before"})
    refused = client.put(f"{SOURCES}github/", {"scheme": "github", "secret": "other"})
    assert (refused.status_code, [it["field"] for it in refused.json()["errors"]]) == (400, ["secret"])
    assert Source.objects.get().name == "before"


def test_put_of_a_known_sender_sets_what_its_preset_says(client: APIClient) -> None:
    body = {"sender": "github", "secret": "shh"}
    created = client.put(f"{SOURCES}github/", body).json()
    client.patch(f"{SOURCES}github/", {"message_id_path": "header:Other"})
    replaced = client.put(f"{SOURCES}github/", body).json()
    assert replaced["message_id_path"] == created["message_id_path"] != "header:Other"
    assert replaced["sender"] == "github"


def test_uid_in_use_is_a_409(client: APIClient, tenant: Tenant) -> None:
    make_source(tenant_id=tenant.pk, uid="shop")
    make_source(tenant_id=tenant.pk, uid="crm")
    for response in (
        client.post(SOURCES, {"scheme": "standard", "uid": "shop"}),
        client.put(f"{SOURCES}crm/", {"scheme": "standard", "uid": "shop"}),
    ):
        assert (response.status_code, [it["field"] for it in response.json()["errors"]]) == (409, ["uid"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"labels": "env:prod"}, {"a"}),
        ({"q": "ORDER"}, {"a"}),
        ({"order_key": "7"}, {"b"}),
        ({"until": "2020-01-01T00:00:00Z"}, set()),
    ],
)
def test_receipts_are_filtered_as_deliveries_are(
    client: APIClient, tenant: Tenant, query: dict[str, str], found: set[str]
) -> None:
    make_receipt(make_source(tenant_id=tenant.pk, labels={"env": "prod"}), message_id="a", event_type="order.paid")
    make_receipt(make_source(tenant_id=tenant.pk), message_id="b", order_key="7")
    rows = client.get("/api/v1/receipts/", query).json()["data"]
    assert {row["message_id"] for row in rows} == found


@pytest.mark.parametrize(
    ("query", "count"), [({"q": "too OLD"}, 1), ({"remote_address": "192.0.2.1"}, 1), ({"labels": "env:prod"}, 0)]
)
def test_rejections_are_filtered_by_text(client: APIClient, tenant: Tenant, query: dict[str, str], count: int) -> None:
    source = make_source(tenant_id=tenant.pk)
    Rejection.objects.create(source=source, reason="timestamp", detail="Too old", size=2, remote_address="192.0.2.1")
    Rejection.objects.create(source=source, reason="no_match", size=2, remote_address="192.0.2.2")
    assert len(client.get("/api/v1/rejections/", query).json()["data"]) == count


def test_replay_of_receipts_selects_by_every_filter_of_the_list(client: APIClient, tenant: Tenant) -> None:
    for labels in ({"env": "prod"}, {"env": "test"}):
        source = make_source(tenant_id=tenant.pk, labels=labels)
        make_receipt(source, due_at=None, dead_at=timezone.now() - timedelta(hours=1))
    body = {"filter": {"labels": "env:prod"}}
    assert client.post("/api/v1/receipt-replays/preview/", body).json()["total"] == 1
    assert client.post("/api/v1/receipt-replays/", body).json()["total"] == 1
