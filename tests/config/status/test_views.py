"""Check what operators are told about the load, and who may see it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.status.status import cached_status
from tests.delivery.factories_load import make_drain_report, make_lane_behind, make_publisher_report
from tests.factories import make_client, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_status() -> None:
    cached_status.clear()


def status() -> Any:
    response = make_client(None).get("/api/v1/status/")
    assert response.status_code == 200, response.content
    return response.json()


def test_status_shows_each_drain_and_what_it_uses_of_its_capacity() -> None:
    make_drain_report(), make_drain_report(2, minute_load=1.0, reported_at=timezone.now() - timedelta(minutes=1))
    shown = status()
    (drain,) = shown["drains"]  # the other one has not reported lately
    assert (drain["machine"], drain["pid"], drain["claimed_ahead"], drain["lanes"]) == ("worker-1", 1, 3, 12)
    assert (drain["load"], drain["used"], drain["waiting_for_database"]) == (0.5, 0.25, 0.1)
    assert (drain["claimed_per_second"], drain["settled_per_second"]) == (100.0, 100.0)
    assert (shown["busy"], shown["because"], shown["advice"]) == ("no", "nothing", "")
    assert shown["backlog"]["in_flight"] == 7


def test_status_shows_the_queue_of_publishing_requests() -> None:
    make_publisher_report(cpu=0.93, max_waiting=31)
    make_drain_report()
    shown = status()
    assert shown["publishers"][0]["waiting_for_commit"] == shown["backlog"]["waiting_for_commit"] == 31
    assert (shown["busy"], shown["because"]) == ("soon", "web")


def test_status_without_drains_says_that_none_is_running_once_deliveries_wait() -> None:
    assert status()["busy"] == "no"
    make_lane_behind(60)
    cached_status.clear()
    shown = status()
    assert (shown["busy"], shown["because"]) == ("add_capacity", "no_drains")
    assert shown["advice"] == "Start a delivery worker, and see in its log why it ended."
    assert (shown["backlog"]["due"], shown["behind_count"]) == (1, 1)
    assert 0 < shown["backlog"]["seconds_behind"] < 3600  # by the clock of the transaction, which began before


def test_status_names_endpoints_that_are_behind_the_worst_first() -> None:
    late = make_lane_behind(30)
    later = make_lane_behind(90, lane={"circuit_open_until": timezone.now() + timedelta(hours=1), "open_count": 1})
    shown = status()["lanes_behind"]
    assert [it["endpoint"] for it in shown] == [later.endpoint.public_id, late.endpoint.public_id]
    assert [it["because"] for it in shown] == ["circuit_open", "no_drain"]
    assert shown[0]["explanation"].startswith("The endpoint keeps failing")
    assert shown[0]["tenant"] == later.tenant.public_id


def test_status_of_a_tenants_key_is_forbidden() -> None:
    assert make_client(make_tenant()).get("/api/v1/status/").status_code == 403


def test_probe_shows_figures_and_nothing_that_identifies_a_machine_or_a_customer(client: Client) -> None:
    make_drain_report()
    lane = make_lane_behind(60)
    response = client.get("/status/", headers={"Host": "10.1.2.3"})
    assert response.status_code == 200
    shown = response.json()
    assert (shown["busy"], shown["drain_count"], shown["behind_count"]) == ("soon", 1, 1)
    text = response.content.decode()
    assert "worker-1" not in text
    assert lane.endpoint.public_id not in text
    assert client.post("/status/").status_code == 405


def test_status_takes_as_many_queries_for_many_rows_as_for_few() -> None:
    counts = []
    for number in range(1, 4):
        for pid in range(number * 10, number * 10 + number * 3):
            make_drain_report(pid), make_lane_behind(60)
        cached_status.clear()
        client = make_client(None)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get("/api/v1/status/")
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2] <= 12
