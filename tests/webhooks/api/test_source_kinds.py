"""Test sources that are read over REST: kinds, settings, credentials, tests, partitions, seeks."""

import time
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from django.utils import timezone

from subscriptions.models import Tenant
from tests.factories import make_client, make_plan, make_tenant
from tests.routes import ApiRoute, RouteCases
from tests.webhooks.readers import scripted
from tests.webhooks.readers.conftest import read_source
from tests.webhooks.readers.scripted import System
from webhooks.models import Source, SourcePartition
from webhooks.outgoing import blocking_calls
from webhooks.readers import other_systems
from webhooks.readers.slices import run
from webhooks.sources.connections import credentials_of
from webhooks.sources.kinds import registry
from webhooks.sources.kinds.kind import Connection, Sample, SourceUnavailable

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules", "system")]

API = "/api/v1"
BODY = {"kind": "scripted", "settings": {"topic": "orders"}}


@pytest.fixture(autouse=True)
def kinds(system: System) -> System:
    """Make the kinds scripted and partitioned known."""
    return system


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def client(tenant: Tenant) -> Any:
    return make_client(tenant)


def send(client: Any, path: str, body: Any, method: str = "post") -> Any:
    return getattr(client, method)(f"{API}/{path}", body, format="json")


def errors_of(response: Any) -> dict[str, str]:
    assert response.status_code == 400, response.content
    return {it["field"]: it["detail"] for it in response.json()["errors"]}


@pytest.mark.usefixtures("receiver", "rules", "system")
class TestRoutes(RouteCases):
    routes = [
        ApiRoute("get", "source-kinds/", "read", 200),
        ApiRoute("post", "sources/test/", "manage", 200, BODY),
        ApiRoute("post", "sources/{source}/settings/test/", "manage", 200),
        ApiRoute("get", "sources/{source}/partitions/", "read", 200),
        ApiRoute("post", "sources/{source}/seek/", "manage", 200, {"to": "earliest"}),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        return {"source": read_source(tenant_id=tenant.pk).public_id}


def test_created_source_is_read_and_shows_how_reading_goes(client: Any, system: System) -> None:
    created = send(client, "sources/", BODY).json()
    assert (created["kind"], created["scheme"], created["url"]) == ("scripted", "none", None)
    assert created["settings"] == {"topic": "orders", "size": 10}
    assert created["reading"]["state"] == "starting"
    system.add(b'{"n": 1}')
    run(seconds=0.1)
    reading = client.get(f"{API}/sources/{created['id']}/").json()["reading"]
    assert (reading["state"], reading["lag_records"], reading["records"]) == ("reading", 0, 1)
    assert reading["last_record_at"] is not None
    assert (reading["lag_bytes"], reading["warning"]) == (None, "")
    SourcePartition.objects.update(lag_bytes=12, warning="The log fills the disk.")
    source = client.get(f"{API}/sources/{created['id']}/").json()
    [partition] = client.get(f"{API}/sources/{created['id']}/partitions/").json()["data"]
    for shown in (source["reading"], partition):
        assert (shown["lag_bytes"], shown["warning"]) == (12, "The log fills the disk.")


def test_credentials_are_encrypted_and_never_shown(client: Any) -> None:
    created = send(client, "sources/", {**BODY, "credentials": {"password": "correct horse"}})
    assert b"correct horse" not in created.content
    source = Source.objects.get()
    assert b"correct horse" not in bytes(source.credentials)
    assert credentials_of(source) == {"password": "correct horse"}
    for path in (f"sources/{source.public_id}/", "sources/", f"sources/{source.public_id}/partitions/"):
        assert b"correct horse" not in client.get(f"{API}/{path}").content


def test_patch_keeps_credentials_it_leaves_out_and_null_removes_one(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = scripted.Setting("token", "Token", "Another credential.", is_credential=True)
    monkeypatch.setattr(scripted.Scripted, "settings", (*scripted.Scripted.settings, token))
    ref = send(client, "sources/", {**BODY, "credentials": {"password": "a", "token": "b"}}).json()["id"]
    for change, left in (
        ({"name": "Orders"}, {"password": "a", "token": "b"}),
        ({"credentials": {"token": "c"}}, {"password": "a", "token": "c"}),
        ({"credentials": {"password": None}}, {"token": "c"}),
    ):
        assert send(client, f"sources/{ref}/", change, "patch").status_code == 200
        assert credentials_of(Source.objects.get()) == left
    assert send(client, f"sources/{ref}/", BODY, "put").status_code == 200
    assert credentials_of(Source.objects.get()) == {"token": "c"}
    assert send(client, f"sources/{ref}/", {**BODY, "credentials": {"password": "d"}}, "put").status_code == 200
    assert credentials_of(Source.objects.get()) == {"password": "d"}


def test_shown_source_can_be_sent_back(client: Any) -> None:
    shown = send(client, "sources/", BODY).json()
    changed = send(client, f"sources/{shown['id']}/", {**shown, "name": "Orders"}, "put")
    assert changed.status_code == 200, changed.content
    http = send(client, "sources/", {"scheme": "none"}).json()
    assert send(client, f"sources/{http['id']}/", http, "put").status_code == 200
    assert (http["kind"], http["settings"], http["reading"]) == ("http", {}, None)


def test_every_fault_of_settings_is_named_at_once(client: Any) -> None:
    settings = {"size": 21, "mode": "c", "flag": 1, "names": [], "map": [], "tpoic": "orders"}
    errors = errors_of(send(client, "sources/", {"kind": "scripted", "settings": settings, "credentials": {"pin": 5}}))
    assert errors.keys() == {*(f"settings.{name}" for name in (*settings, "topic")), "credentials.pin"}
    assert errors["settings.topic"] == "Is required."
    assert errors["settings.tpoic"].startswith('Unknown; did you mean "topic"?')
    assert not Source.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "scriptd"}, "kind"),
        ({"kind": 5}, "kind"),
        ({"settings": 5}, "settings"),
        ({"credentials": []}, "credentials"),
        ({"public_url": "https://example.com/"}, "public_url"),
        ({"allowed_networks": ["10.0.0.0/8"]}, "allowed_networks"),
        ({"allowed_origins": ["example.com"]}, "allowed_origins"),
        ({"handshake": [{"method": "GET", "repeat": "query:challenge"}]}, "handshake"),
        ({"response_status": 200}, "response_status"),
        ({"response_body": "{}"}, "response_body"),
        ({"responses": {"paused": {"status": 200}}}, "responses"),
        ({"rate_per_minute": 5}, "rate_per_minute"),
        ({"verify_token": "x"}, "verify_token"),
        ({"sender": "github"}, "sender"),
        ({"secret": "x"}, "secret"),
        ({"kind": "http", "scheme": "none"}, "settings"),
        ({"kind": "http", "settings": {}}, "scheme"),
        ({"no_such_field": 1}, "no_such_field"),
    ],
)
def test_fields_that_do_not_fit_the_kind_are_refused(client: Any, change: dict[str, Any], field: str) -> None:
    assert field in errors_of(send(client, "sources/", {**BODY, **change}))
    assert not Source.objects.exists()


def test_kind_cannot_be_changed(client: Any) -> None:
    ref = send(client, "sources/", BODY).json()["id"]
    for kind in ("http", "partitioned"):
        assert "kind" in errors_of(send(client, f"sources/{ref}/", {"kind": kind}, "patch"))
    assert send(client, f"sources/{ref}/", {"kind": "scripted"}, "patch").status_code == 200


def test_settings_that_do_not_work_are_refused_with_their_field_unless_the_test_is_skipped(client: Any) -> None:
    body = {**BODY, "settings": {"topic": "missing"}}
    errors = errors_of(send(client, "sources/", body))
    assert errors["settings.topic"].startswith("There is no topic missing.")
    assert "skip_test" in errors["settings.topic"]
    assert not Source.objects.exists()
    created = send(client, "sources/", {**body, "skip_test": True})
    assert created.status_code == 201
    run(seconds=0.1)
    reading = client.get(f"{API}/sources/{created.json()['id']}/").json()["reading"]
    assert (reading["state"], reading["last_error"]) == ("failing", "There is no topic missing.")
    assert (reading["error_setting"], reading["failing_since"] is None) == ("settings.topic", False)


def test_change_tries_settings_only_if_they_changed(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Connection] = []
    monkeypatch.setattr(
        scripted.Scripted, "test", lambda _kind, connection: tried.append(connection) or Sample("Found.")
    )
    ref = send(client, "sources/", BODY).json()["id"]
    send(client, f"sources/{ref}/", {"name": "Orders"}, "patch")
    assert len(tried) == 1
    send(client, f"sources/{ref}/", {"settings": {"topic": "payments"}}, "patch")
    send(client, f"sources/{ref}/", {"credentials": {"password": "x"}}, "patch")
    assert [it.settings["topic"] for it in tried] == ["orders", "payments", "payments"]
    assert tried[2].credentials == {"password": "x"}


def test_system_that_does_not_respond_is_an_error_within_the_time(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    released = Event()
    monkeypatch.setattr(other_systems, "TEST_SECONDS", 0.05)
    monkeypatch.setattr(scripted.Scripted, "test", lambda _kind, _connection: released.wait() and Sample("Late."))
    begin = time.monotonic()
    assert "No response within" in errors_of(send(client, "sources/", BODY))["settings"]
    assert time.monotonic() - begin < other_systems.TEST_SECONDS + 5
    responses = [send(client, "sources/test/", BODY).status_code for _ in range(blocking_calls.MAX_CALLS_OF_SHARE)]
    assert responses[-1] == 429
    released.set()


def test_error_of_a_library_is_an_error_of_the_settings(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_kind: object, _connection: object) -> Sample:
        raise KeyError("broker")

    monkeypatch.setattr(scripted.Scripted, "test", fail)
    assert "KeyError" in errors_of(send(client, "sources/test/", BODY))["settings"]


def test_test_of_settings_shows_the_latest_record_and_stores_nothing(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = scripted.Record(id="7", body=b'{"n": 7}', time=timezone.now(), event_type="order.paid")
    monkeypatch.setattr(scripted.Scripted, "test", lambda _kind, _connection: Sample("Found.", record))
    found = send(client, "sources/test/", {**BODY, "uid": "shop"}).json()
    assert found["message"] == "Found."
    assert (found["record"]["id"], found["record"]["body"], found["record"]["size"]) == ("7", '{"n": 7}', 8)
    assert not Source.objects.exists()
    assert "settings.topic" in errors_of(send(client, "sources/test/", {**BODY, "settings": {}}))
    assert "kind" in errors_of(send(client, "sources/test/", {"scheme": "none"}))


def test_stored_settings_are_tested_with_the_stored_credentials(
    client: Any, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = read_source(tenant_id=tenant.pk, credentials={"password": "x"})

    def refuse(_kind: object, connection: Connection) -> Sample:
        raise SourceUnavailable(f"{len(connection.credentials['password'])} letters.", "credentials.password")

    monkeypatch.setattr(scripted.Scripted, "test", refuse)
    found = errors_of(send(client, f"sources/{source.public_id}/settings/test/", None))
    assert found == {"credentials.password": "1 letters."}
    assert "kind" in errors_of(send(client, f"sources/{source.public_id}/test/", {}))
    http = send(client, "sources/", {"scheme": "none"}).json()["id"]
    assert "kind" in errors_of(send(client, f"sources/{http}/settings/test/", None))


def test_partitions_show_position_lag_and_error(client: Any, tenant: Tenant, system: System) -> None:
    system.partitions = {"0": [], "1": []}
    system.add(b'{"n": 1}', b'{"n": 2}', partition="0")
    source = read_source("partitioned", tenant_id=tenant.pk)
    for _ in range(3):
        run(seconds=0.1)
    rows = client.get(f"{API}/sources/{source.public_id}/partitions/").json()["data"]
    assert {row["name"]: (row["position"], row["records"], row["lag_records"]) for row in rows} == {
        "0": (2, 2, 0),
        "1": (None, 0, 0),
    }
    system.failure = SourceUnavailable("Access denied.", "credentials.password")
    SourcePartition.objects.update(next_read_at=timezone.now() - timedelta(seconds=1))
    run(seconds=0.1)
    shown = client.get(f"{API}/sources/{source.public_id}/").json()["reading"]
    assert (shown["state"], shown["partitions"], shown["failing_partitions"]) == ("failing", 2, 2)
    rows = client.get(f"{API}/sources/{source.public_id}/partitions/?limit=1").json()
    assert (rows["data"][0]["last_error"], rows["next"] is None) == ("Access denied.", False)


def test_seek_moves_one_partition_or_all(client: Any, tenant: Tenant, system: System) -> None:
    system.partitions = {"0": [], "1": []}
    system.add(b'{"n": 1}', partition="0")
    system.add(b'{"n": 1}', b'{"n": 2}', partition="1")
    path = f"sources/{read_source('partitioned', tenant_id=tenant.pk).public_id}/seek/"
    rows = send(client, path, {"to": "latest"}).json()["data"]
    assert {row["name"]: row["position"] for row in rows} == {"0": 1, "1": 2}
    rows = send(client, path, {"to": "earliest", "partition": "1"}).json()["data"]
    assert [(row["name"], row["position"]) for row in rows] == [("1", 0)]
    assert "partition" in errors_of(send(client, path, {"to": "earliest", "partition": "7"}))
    assert "to" in errors_of(send(client, path, {"to": "yesterday"}))
    assert errors_of(send(client, path, {"to": "2030-01-31T12:00:00Z"})) == {"to": "Has no times."}


def test_source_that_senders_post_to_cannot_seek_and_has_no_partitions(client: Any) -> None:
    ref = send(client, "sources/", {"scheme": "none"}).json()["id"]
    assert "to" in errors_of(send(client, f"sources/{ref}/seek/", {"to": "latest"}))
    assert client.get(f"{API}/sources/{ref}/partitions/").json()["data"] == []


def test_entity_tag_stays_while_records_are_read(client: Any, system: System) -> None:
    ref = send(client, "sources/", BODY).json()["id"]
    tag = client.get(f"{API}/sources/{ref}/")["ETag"]
    system.add(b'{"n": 1}')
    run(seconds=0.1)
    client.credentials(**client._credentials, HTTP_IF_MATCH=tag)
    assert send(client, f"sources/{ref}/", {"name": "Orders"}, "patch").status_code == 200


def test_pause_and_resume_are_shown(client: Any) -> None:
    ref = send(client, "sources/", BODY).json()["id"]
    assert send(client, f"sources/{ref}/", {"state": "paused"}, "patch").json()["reading"]["state"] == "paused"
    assert SourcePartition.objects.get().next_read_at is None
    assert send(client, f"sources/{ref}/", {"state": "active"}, "patch").json()["reading"]["state"] == "starting"


def test_list_filters_by_kind_and_counts_queries_once(
    client: Any, tenant: Tenant, django_assert_max_num_queries: Any
) -> None:
    for _ in range(3):
        read_source(tenant_id=tenant.pk)
    send(client, "sources/", {"scheme": "none"})
    client.get(f"{API}/sources/")
    with django_assert_max_num_queries(6):
        listed = client.get(f"{API}/sources/?kind=scripted").json()["data"]
    assert [it["kind"] for it in listed] == ["scripted"] * 3
    assert [it["kind"] for it in client.get(f"{API}/sources/?kind=http").json()["data"]] == ["http"]


def test_plan_limits_the_number_of_sources_of_any_kind() -> None:
    client = make_client(make_tenant(plan=make_plan(max_sources=1)))
    assert send(client, "sources/", BODY).status_code == 201
    response = send(client, "sources/", BODY)
    assert (response.status_code, response.json()["limit"]) == (402, "max_sources")


def test_kinds_are_listed_with_their_settings_and_what_is_missing(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripted.Partitioned, "modules", ("no_such_module",))
    monkeypatch.setattr(scripted.Partitioned, "extra", "partitioned")
    monkeypatch.setitem(registry.FILES, "absent", "no_such_module.Kind")
    listed = {it["name"]: it for it in client.get(f"{API}/source-kinds/").json()["data"]}
    assert next(iter(listed)) == "http"
    password = next(it for it in listed["scripted"]["settings"] if it["name"] == "password")
    assert (password["credential"], password["required"], password["type"]) == (True, False, "text")
    partitioned = listed["partitioned"]
    assert (partitioned["installed"], partitioned["missing"]) == (False, ["no_such_module"])
    assert (partitioned["extra"], listed["absent"]["installed"]) == ("partitioned", False)
    for kind in ("partitioned", "absent"):
        assert "no_such_module" in errors_of(send(client, "sources/", {**BODY, "kind": kind}))["kind"]
