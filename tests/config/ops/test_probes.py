"""Test the probes: each part is reported by name, and a database failure does not end the process."""

import pytest
from django.db import connection
from django.test import Client, override_settings
from prometheus_client.parser import text_string_to_metric_families

from config.local import embedded
from config.metrics.platform_gauges import GAUGES
from config.metrics.queries import BACKLOG
from config.status.status import cached_status
from tests.factories import make_tenant


@pytest.fixture
def client() -> Client:
    return Client(headers={"Host": "10.1.2.3"})  # a probe uses the machine's address


@pytest.fixture
def broker(settings: object) -> None:
    """Start the embedded broker of the suite."""
    if settings.WAYPOST_EMBEDDED_BROKER:  # type: ignore[attr-defined]
        embedded.attach(embedded.VALKEY, settings.WAYPOST_DATA)  # type: ignore[attr-defined]


def test_healthz_responds_without_the_database(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}  # no database is allowed in this test


@pytest.mark.django_db
@pytest.mark.usefixtures("broker")
def test_readyz_names_every_part(client: Client) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    parts = {"database": "ok", "migrations": "ok", "encryption_keys": "ok", "broker": "ok", "processes": "ok"}
    assert response.json() == {"status": "ok", **parts}


@pytest.mark.django_db
@override_settings(CELERY_BROKER_URL="redis://:sesame@127.0.0.1:1/0")
def test_readyz_with_an_unreachable_broker_names_it_without_its_address_and_stays_ready(client: Client) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["broker"].startswith("unreachable")
    assert response.json()["database"] == "ok"
    assert "sesame" not in response.content.decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("broker")
def test_readyz_counts_missing_migrations(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'sessions'")
    response = client.get("/readyz")
    assert (response.status_code, response.json()["migrations"]) == (503, "1 missing")


@pytest.mark.usefixtures("broker")
def test_readyz_with_an_unreachable_database_is_a_503(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError

    monkeypatch.setattr(connection, "cursor", refuse)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["database"] == "unreachable (OSError)"


@pytest.mark.django_db
def test_metrics_are_in_the_prometheus_text_format(client: Client) -> None:
    make_tenant()
    cached_status.clear()
    response = client.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(response.content.decode())}
    assert BACKLOG.keys() <= families.keys()
    assert families["waypost_deliveries_pending"].samples[0].value == 0
    assert families["waypost_oldest_due_seconds"].samples[0].value == 0
    idle = dict.fromkeys(GAUGES, 0.0) | {"waypost_machine_disk_free_ratio": 1.0}
    assert {name: families[name].samples[0].value for name in GAUGES} == idle
    assert response["Content-Type"].startswith("text/plain")


@override_settings(WAYPOST_METRICS=False)
def test_metrics_that_are_switched_off_are_a_404_that_names_the_setting(client: Client) -> None:
    response = client.get("/metrics")  # no database is allowed in this test
    assert (response.status_code, response["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert response.content.decode() == "There are no metrics: the setting WAYPOST_METRICS is off.\n"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/status/"])
def test_probe_rejects_post(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
