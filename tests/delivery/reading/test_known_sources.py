"""Filters by a source of events that does not exist."""

import pytest
from django.db import connection

from delivery.reading import known_sources
from delivery.reading.known_sources import source_objection
from delivery.sql.reading import WALK_SOURCES
from subscriptions.models import Tenant
from tests.delivery.factories import make_event
from tests.factories import make_client, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    tenant = make_tenant()
    for source in ("/shop", "/shop", "/blog"):
        make_event(tenant, source=source)
    make_event(make_tenant(), source="/other")
    return tenant


def test_source_of_an_event_is_known(tenant: Tenant) -> None:
    assert source_objection(tenant.pk, "/blog") == ""


def test_other_source_is_refused_with_those_that_exist(tenant: Tenant) -> None:
    assert source_objection(tenant.pk, "/other") == "No event has this source; choose from: /shop, /blog."


def test_tenant_without_events_has_no_wrong_source() -> None:
    assert source_objection(make_tenant().pk, "/shop") == ""


def test_source_of_a_tenant_with_more_events_than_are_looked_at_is_not_refused(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_sources, "MAX_LATEST", 1)
    monkeypatch.setattr(known_sources, "MAX_EVENTS", 2)
    assert source_objection(tenant.pk, "/other") == ""


def test_source_is_looked_for_among_all_events_beyond_the_latest(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_sources, "MAX_LATEST", 1)
    monkeypatch.setattr(known_sources, "MAX_EVENTS", 3)
    assert source_objection(tenant.pk, "/shop") == ""
    assert source_objection(tenant.pk, "/other") == "No event has this source; choose from: /blog."


def test_looking_among_all_events_reads_the_index_alone(tenant: Tenant) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_class SET relpages = 1, relallvisible = 1, reltuples = 1000000 WHERE relname = 'delivery_event'"
        )
        cursor.execute(f"EXPLAIN {WALK_SOURCES}", {"tenant": tenant.pk, "source": "/shop", "limit": 20_000})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index Only Scan using unique_event_id_per_tenant_and_source" in plan


def test_message_lists_the_most_frequent_ones(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_sources, "MAX_SHOWN", 1)
    assert source_objection(tenant.pk, "x") == "No event has this source; choose from: /shop and 1 more."


def test_lists_and_replays_refuse_it(tenant: Tenant) -> None:
    client = make_client(tenant)
    assert len(client.get("/api/v1/events/?source=/shop").json()["data"]) == 2
    refused = client.get("/api/v1/events/?source=/shp")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "source"
    body = {"scope": "events", "filter": {"source": "/shp"}}
    refused = client.post("/api/v1/replays/preview/", body)
    assert refused.status_code == 400
    assert "choose from: /shop, /blog" in refused.json()["errors"][0]["detail"]
    assert make_client(None).get("/api/v1/events/?source=/shp").status_code == 200
