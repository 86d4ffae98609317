"""Tenants over REST."""

import threading

import pytest
from django.db import connection, transaction

from tests.factories import client_with, make_client, make_key, make_subscription, make_tenant
from tests.routes import ApiRoute, RouteCases
from tests.subscriptions.api.problems import invalid_fields
from tests.threads import in_threads
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

API = "/api/v1/"


class TestTenantRoutes(RouteCases):
    routes = (
        ApiRoute("get", "tenants/", "read", 200),
        ApiRoute("get", "tenants/{tenant}/", "read", 200),
    )

    def make_ids(self, tenant):
        return {"tenant": tenant.public_id}


def test_platform_key_creates_changes_and_deletes_tenants():
    operator = make_client()
    created = operator.post(f"{API}tenants/", {"name": "Acme", "uid": "acme", "metadata": {"plan": "gold"}})
    assert created.status_code == 201
    assert created.json()["id"].startswith("tnt_")
    assert operator.get(f"{API}tenants/acme/").json() == created.json()
    assert operator.patch(f"{API}tenants/acme/", {"name": "Acme Inc"}).json()["name"] == "Acme Inc"
    assert operator.delete(f"{API}tenants/acme/").status_code == 204
    assert operator.get(f"{API}tenants/acme/").status_code == 404
    assert operator.post(f"{API}tenants/", {"name": "Acme", "uid": "acme"}).status_code == 201


def test_tenant_with_a_name_that_is_taken_is_created_with_a_warning_that_names_the_other():
    operator, first = make_client(), make_tenant(name="Acme")
    created = operator.post(f"{API}tenants/", {"name": "Acme"})
    assert created.status_code == 201
    assert created.json()["warnings"] == [
        f"name: This is also the name of {first.public_id}; a uid tells tenants apart."
    ]
    assert "warnings" not in operator.get(f"{API}tenants/{created.json()['id']}/").json()
    assert "warnings" not in operator.post(f"{API}tenants/", {"name": "Another"}).json()


def test_tenant_that_is_put_by_its_uid_is_created_once_and_warned_of_then():
    operator = make_client()
    make_tenant(name="Acme")
    first, second = (operator.put(f"{API}tenants/acme/", {"name": "Acme"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert "warnings" in first.json()
    assert first.json()["id"] == second.json()["id"]


def test_tenant_reads_only_itself():
    tenant = make_tenant()
    make_tenant()
    client = make_client(tenant)
    assert [row["id"] for row in client.get(f"{API}tenants/").json()["data"]] == [tenant.public_id]
    assert client.post(f"{API}tenants/", {"name": "Mine"}).status_code == 403
    for ref in (tenant.public_id, make_tenant().public_id):
        assert client.patch(f"{API}tenants/{ref}/", {"name": "Mine"}).status_code == 403
        assert client.delete(f"{API}tenants/{ref}/").status_code == 403


def test_deletion_of_a_tenant_ends_its_keys_and_endpoints():
    endpoint = make_subscription().endpoint
    tenant = endpoint.tenant
    _, text = make_key(tenant)
    make_client().delete(f"{API}tenants/{tenant.public_id}/")
    endpoint.refresh_from_db()
    assert endpoint.deleted_at is not None
    assert client_with(text).get(f"{API}endpoints/").status_code == 401


def test_uid_in_use_is_a_409():
    make_tenant(uid="acme")
    other = make_tenant()
    assert invalid_fields(make_client().post(f"{API}tenants/", {"name": "B", "uid": "acme"}), 409) == ["uid"]
    assert invalid_fields(make_client().patch(f"{API}tenants/{other.public_id}/", {"uid": "acme"}), 409) == ["uid"]


def test_put_creates_a_tenant_under_its_uid_and_then_replaces_it():
    platform = make_client()
    created = platform.put(f"{API}tenants/acme/", {"name": "Acme", "labels": {"plan": "gold"}}, format="json")
    assert (created.status_code, created.json()["uid"]) == (201, "acme")
    replaced = platform.put(f"{API}tenants/acme/", {"name": "Acme Inc"}, format="json")
    assert replaced.status_code == 200
    assert {**replaced.json()} == {**created.json(), "name": "Acme Inc", "labels": {}}


def test_put_with_another_uid_in_the_body_creates_nothing():
    platform = make_client()
    assert invalid_fields(platform.put(f"{API}tenants/acme/", {"name": "A", "uid": "b"}, format="json")) == ["uid"]
    assert invalid_fields(platform.put(f"{API}tenants/acme/", {"name": "A", "uid": None}, format="json")) == ["uid"]
    assert platform.get(f"{API}tenants/").json()["data"] == []


def test_put_to_an_id_or_with_an_if_match_creates_nothing():
    platform = make_client()
    unknown = "tnt_01m841pajgekhbvnh13ekqw39a"
    assert platform.put(f"{API}tenants/{unknown}/", {"name": "A"}, format="json").status_code == 404
    headers = {"If-Match": '"x"'}
    assert platform.put(f"{API}tenants/acme/", {"name": "A"}, format="json", headers=headers).status_code == 412


def test_put_of_a_tenants_key_creates_nothing():
    assert make_client(make_tenant()).put(f"{API}tenants/acme/", {"name": "A"}, format="json").status_code == 403


def test_put_to_a_uid_renames_the_tenant_only_if_the_body_says_so():
    platform = make_client()
    platform.put(f"{API}tenants/acme/", {"name": "Acme"}, format="json")
    assert platform.put(f"{API}tenants/acme/", {"name": "A", "uid": "new"}, format="json").json()["uid"] == "new"


def test_new_platform_tenant_replaces_the_former():
    platform = make_client()
    for uid in ("one", "two"):
        body = {"name": uid, "is_platform": True}
        assert platform.put(f"{API}tenants/{uid}/", body, format="json").status_code == 201
    marked = {it["uid"]: it["is_platform"] for it in platform.get(f"{API}tenants/").json()["data"]}
    assert marked == {"one": False, "two": True}


def test_tenants_are_listed_by_label():
    make_tenant(uid="one", labels={"plan": "gold", "region": "eu"})
    make_tenant(uid="two", labels={"plan": "gold"})
    platform = make_client()

    def listed(labels):
        return {it["uid"] for it in platform.get(f"{API}tenants/?labels={labels}").json()["data"]}

    assert listed("plan:gold") == {"one", "two"}
    assert listed("region:eu,plan:gold") == {"one"}
    assert listed("plan:silver") == set()


@pytest.mark.parametrize("labels", ["gold", "plan:", ":gold", "a:1,a:2", "a:b:c", "a%20b:c", "a:1,", "x" * 65 + ":1"])
def test_malformed_label_filter_is_a_400(labels):
    assert invalid_fields(make_client().get(f"{API}tenants/?labels={labels}")) == ["labels"]


@pytest.mark.parametrize("labels", [[], "a:b", {"a": 1}, {"a": ""}, {"": "b"}, {"a b": "c"}, {"a": "x" * 65}])
def test_malformed_labels_are_a_400(labels):
    assert invalid_fields(make_client().post(f"{API}tenants/", {"name": "A", "labels": labels}, format="json")) == [
        "labels"
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("uid=acme", ["acme"]),
        ("q=ACME", ["acme"]),
        ("q=hooli", ["globex"]),
        ("since=2020-01-01T00:00:00Z&order=oldest", ["acme", "globex"]),
        ("until=2020-01-01T00:00:00Z", []),
    ],
)
def test_list_is_filtered_by_uid_text_and_time(query, found):
    make_tenant(uid="acme", name="Acme Inc")
    make_tenant(uid="globex", name="Hooli")
    assert [it["uid"] for it in make_client().get(f"{API}tenants/?{query}").json()["data"]] == found


@pytest.mark.django_db(transaction=True)
def test_put_of_a_uid_that_another_request_creates_meanwhile_replaces_it():
    client, responses = make_client(), []

    def put():
        responses.append(client.put(f"{API}tenants/acme/", {"name": "Second"}))

    def waits_for_a_lock():
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
            return cursor.fetchone()[0]

    thread = threading.Thread(target=in_threads, args=(put,))
    with transaction.atomic():
        first = make_tenant(uid="acme", name="First")
        thread.start()
        wait_until(lambda: not thread.is_alive() or waits_for_a_lock(), "the request to find the uid in use")
    thread.join()
    assert [it.status_code for it in responses] == [200]
    first.refresh_from_db()
    assert first.name == "Second"


def test_put_of_what_cannot_be_a_uid_names_the_uid():
    assert invalid_fields(make_client().put(f"{API}tenants/ac%20me/", {"name": "Acme"})) == ["uid"]
