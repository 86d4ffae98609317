"""The history of tenants and endpoints over REST."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from delivery.api.figures.history import edges_of
from delivery.figures.roll_up import roll_up
from delivery.models import HourlyStats
from delivery.sending.attempt_stats import AttemptStats
from delivery.transports.outcome import Failure, Outcome
from subscriptions.models import Endpoint
from tests.clock import day_of_test
from tests.factories import make_client, make_endpoint, make_tenant
from tests.routes import ApiRoute, RouteCases

pytestmark = pytest.mark.django_db

API = "/api/v1/"


class TestHistoryRoutes(RouteCases):
    routes = (
        ApiRoute("get", "endpoints/{endpoint}/history/", "read", 200),
        ApiRoute("get", "history/", "read", 200),
    )

    def make_ids(self, tenant: Any) -> dict[str, str]:
        return {"endpoint": make_endpoint(tenant).public_id}


def attempted(endpoint: Endpoint, at: datetime, number: int, **changes: Any) -> None:
    stats = AttemptStats()
    stats.add(endpoint.pk, [Outcome(at.timestamp(), 10, **{"status": 200, **changes})] * number)
    stats.write()


def test_history_has_each_day_and_the_total_also_after_hours_are_gone() -> None:
    endpoint, day = make_endpoint(make_tenant()), day_of_test(ago=timedelta(days=5))
    attempted(endpoint, day, 3)
    attempted(endpoint, day + timedelta(days=1), 2, status=503, failure=Failure.STATUS)
    roll_up()
    HourlyStats.objects.all().delete()
    window = f"?from={day:%Y-%m-%d}&to={day + timedelta(days=2):%Y-%m-%d}"
    client = make_client(endpoint.tenant)
    for path in (f"endpoints/{endpoint.public_id}/history/", "history/"):
        found = client.get(f"{API}{path}{window}").json()
        assert [it["attempts"] for it in found["data"]] == [3, 2, 0]
        assert found["data"][1]["failures"] == {"503": 2}
        assert (found["total"]["delivered"], found["total"]["failed"]) == (3, 2)
        assert found["data"][0]["latency_ms"]["p95"] is not None


def test_history_of_a_tenant_does_not_contain_others() -> None:
    endpoint, other = make_endpoint(make_tenant()), make_endpoint(make_tenant())
    attempted(endpoint, datetime.now(UTC), 3)
    attempted(other, datetime.now(UTC), 4)
    assert make_client(endpoint.tenant).get(f"{API}history/").json()["total"]["attempts"] == 3
    assert make_client(None).get(f"{API}history/").json()["total"]["attempts"] == 7
    assert make_client(other.tenant).get(f"{API}endpoints/{endpoint.public_id}/history/").status_code == 404


def test_months_count_whole() -> None:
    edges = edges_of(datetime(2025, 12, 31).date(), datetime(2026, 2, 1).date(), "month")
    assert [f"{it:%Y-%m-%d}" for it in edges] == ["2025-12-01", "2026-01-01", "2026-02-01", "2026-03-01"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-02-01&to=2026-01-01", "to"),
        ("from=2024-01-01&to=2026-01-01", "to"),
        ("from=2001-01-01&to=2026-01-01&granularity=month", "to"),
        ("granularity=week", "granularity"),
        ("to=0001-01-01", "to"),
        ("to=9999-12-31", "to"),
        ("from=1001-01-01&to=2026-01-01&granularity=month", "from"),
        ("from=x", "from"),
    ],
)
def test_history_with_an_invalid_period_names_the_field(query: str, field: str) -> None:
    response = make_client(make_tenant()).get(f"{API}history/?{query}")
    assert response.status_code == 400
    assert field in response.json()["errors"][0].values()
