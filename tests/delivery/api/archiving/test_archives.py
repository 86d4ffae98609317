"""The index of the archive over REST, and replays from it."""

from typing import Any

import pytest

from delivery.lifecycle.retention import apply_retention
from delivery.models import Archive, Replay
from subscriptions.models import Tenant
from tests.delivery.archiving.factories import DAYS, at, old_event
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("archive_folder")]

API = "/api/v1/archives/"
REPLAYS = "/api/v1/replays/"


@pytest.fixture
def tenant() -> Tenant:
    tenant = make_tenant(retention_days=DAYS)
    make_subscription(make_endpoint(tenant, uid="main"))
    return tenant


def stamp(minute: float, hour: int = 0) -> str:
    return at(minute, hour=hour).isoformat().replace("+00:00", "Z")


def test_archived_hours_are_listed_newest_first_and_read(tenant: Tenant) -> None:
    for hour in range(3):
        old_event(tenant, hour=hour)
    old_event(make_tenant(retention_days=DAYS))
    apply_retention()
    client = make_client(tenant)
    listed = client.get(API).json()["data"]
    assert [it["begins_at"] for it in listed] == [stamp(0, hour) for hour in (2, 1, 0)]
    row = Archive.objects.filter(tenant=tenant).order_by("id").first()
    assert row is not None
    shown = client.get(f"{API}{row.public_id}/").json()
    assert shown == listed[2]
    assert (shown["key"], shown["sha256"], shown["bytes"]) == (row.key, row.sha256, row.bytes)
    assert (shown["events"], shown["deliveries"], shown["types"]) == (1, 0, {"order.created": 1})
    of_period = client.get(API, {"since": stamp(30, 1), "until": stamp(0, 2)}).json()["data"]
    assert [it["begins_at"] for it in of_period] == [stamp(0, 1)]
    assert len(make_client().get(API).json()["data"]) == 4


def test_archived_hour_of_another_tenant_is_a_404(tenant: Tenant) -> None:
    old_event(make_tenant(retention_days=DAYS))
    apply_retention()
    assert make_client(tenant).get(f"{API}{Archive.objects.get().public_id}/").status_code == 404


def test_replay_from_the_archive_is_previewed_created_and_shown(tenant: Tenant) -> None:
    old_event(tenant)
    old_event(tenant, hour=1, type="order.paid")
    apply_retention()
    client = make_client(tenant)
    selection = {"scope": "archived", "filter": {"type": "order.paid", "source": "/orders"}}
    preview = client.post(f"{REPLAYS}preview/", selection).json()
    assert (preview["total"], preview["estimated"], preview["oldest"]) == (1, False, stamp(0, 1))
    made = client.post(REPLAYS, {**selection, "rate": 7}).json()
    assert (made["scope"], made["total"], made["rate"], made["error"]) == ("archived", 1, 7, "")
    assert client.post(f"{REPLAYS}{made['id']}/cancel/").json()["state"] == "cancelled"
    assert Replay.objects.get().filter == {"type": "order.paid", "source": "/orders"}


def test_replay_without_an_archive_is_a_400_that_names_the_scope(settings: Any, tenant: Tenant) -> None:
    settings.STORAGES = {name: it for name, it in settings.STORAGES.items() if name != "archive"}
    refused = make_client(tenant).post(REPLAYS, {"scope": "archived", "all": True})
    assert refused.status_code == 400
    assert "scope" in str(refused.json()["errors"])
