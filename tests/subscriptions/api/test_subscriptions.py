"""Subscriptions over REST."""

from typing import Any
from urllib.parse import quote

import pytest

from subscriptions.models import Tenant
from tests.factories import URL, make_client, make_endpoint, make_subscription, make_tenant
from tests.routes import ApiRoute, RouteCases
from tests.subscriptions.api.problems import invalid_fields

pytestmark = pytest.mark.django_db

API = "/api/v1/"


class TestSubscriptionRoutes(RouteCases):
    routes = (
        ApiRoute("get", "subscriptions/", "read", 200),
        ApiRoute("post", "subscriptions/", "manage", 201, {"endpoint": "{endpoint}", "event_types": ["a"]}),
        ApiRoute("get", "subscriptions/{subscription}/", "read", 200),
        ApiRoute(
            "put", "subscriptions/{subscription}/", "manage", 200, {"endpoint": "{endpoint}", "event_types": ["a"]}
        ),
        ApiRoute("patch", "subscriptions/{subscription}/", "manage", 200, {"active": False}),
        ApiRoute("delete", "subscriptions/{subscription}/", "manage", 204),
    )

    def make_ids(self, tenant):
        subscription = make_subscription(make_endpoint(tenant))
        return {"subscription": subscription.public_id, "endpoint": subscription.endpoint.public_id}


NUL = "a\0b"


def test_subscription_names_its_endpoint_by_id_or_uid():
    tenant = make_tenant()
    endpoint = make_endpoint(tenant, uid="main")
    client = make_client(tenant)
    for ref, name in (("main", "*"), (endpoint.public_id, "a")):
        created = client.post(f"{API}subscriptions/", {"endpoint": ref, "event_types": [name]})
        assert created.status_code == 201
        assert (created.json()["endpoint"], created.json()["event_types"]) == (endpoint.public_id, [name])


def test_subscription_is_returned_as_it_was_given():
    tenant = make_tenant()
    body = {
        "endpoint": make_endpoint(tenant).public_id,
        "event_types": ["order.*", "invoice.paid", "waypost.endpoint.disabled"],
        "pattern": {"data": {"total": [{"numeric": [">", 100]}]}},
        "transformer": {"input_paths": {"n": "$.data.number"}, "template": '{\n"text": "Order <n>"}'},
        "description": "Large orders",
        "active": False,
    }
    client = make_client(tenant)
    created = client.post(f"{API}subscriptions/", body).json()
    assert {name: created[name] for name in body} == body
    assert client.get(f"{API}subscriptions/{created['id']}/").json() == created
    put = client.put(
        f"{API}subscriptions/{created['id']}/", {"endpoint": body["endpoint"], "event_types": ["*"]}
    ).json()
    assert (put["event_types"], put["pattern"], put["transformer"], put["active"]) == (["*"], None, None, True)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"endpoint": None}, "endpoint"),
        ({"endpoint": 5}, "endpoint"),
        ({"endpoint": {"id": "x"}}, "endpoint"),
        ({"endpoint": "missing"}, "endpoint"),
        ({"endpoint": NUL}, "endpoint"),
        ({"event_types": []}, "event_types"),
        ({"event_types": None}, "event_types"),
        ({"event_types": "order.paid"}, "event_types"),
        ({"event_types": [5]}, "event_types.0"),
        ({"event_types": [NUL]}, "event_types.0"),
        ({"event_types": [""]}, "event_types.0"),
        ({"event_types": ["order.*.paid"]}, "event_types"),
        ({"event_types": ["order*"]}, "event_types"),
        ({"event_types": ["*.paid"]}, "event_types"),
        ({"event_types": ["x" * 257]}, "event_types"),
        ({"event_types": ["a"] * 101}, "event_types"),
        ({"pattern": []}, "pattern"),
        ({"pattern": {}}, "pattern"),
        ({"pattern": {"data": "x"}}, "pattern"),
        ({"pattern": {"data": [NUL]}}, "pattern"),
        ({"pattern": {"data": {"a": [1e308]}}}, "pattern"),
        ({"pattern": {"data": {"a": [{"anything-but": -1e20}]}}}, "pattern"),
        ({"pattern": {"data": [{"unheard": 1}]}}, "pattern"),
        ({"transformer": {}}, "transformer"),
        ({"transformer": "x"}, "transformer"),
        ({"transformer": {"template": "<n>"}}, "transformer"),
        ({"transformer": {"template": 5}}, "transformer"),
        ({"transformer": {"template": "a", "input_paths": {"n": 5}}}, "transformer"),
        ({"transformer": {"template": "a", "input_paths": {"n": "no path"}}}, "transformer"),
        ({"transformer": {"template": "a", "script": "b"}}, "transformer"),
        ({"active": "yes"}, "active"),
        ({"active": 1}, "active"),
        ({"types": ["a"]}, "types"),
    ],
)
def test_invalid_subscription_is_a_400_that_names_the_field(changes, field):
    tenant = make_tenant()
    body = {"endpoint": make_endpoint(tenant).public_id, "event_types": ["*"], **changes}
    assert invalid_fields(make_client(tenant).post(f"{API}subscriptions/", body)) == [field]


def test_endpoint_of_another_tenant_is_a_400():
    tenant, foreign = make_tenant(), make_endpoint(uid="main")
    mine = make_subscription(make_endpoint(tenant))
    client = make_client(tenant)
    for ref in ("main", foreign.public_id):
        assert invalid_fields(client.post(f"{API}subscriptions/", {"endpoint": ref, "event_types": ["*"]})) == [
            "endpoint"
        ]
        patched = client.patch(f"{API}subscriptions/{mine.public_id}/", {"endpoint": ref, "event_types": ["*"]})
        assert invalid_fields(patched) == ["endpoint"]


def test_operator_cannot_move_a_subscription_to_another_tenant():
    subscription, foreign = make_subscription(), make_endpoint()
    path = f"{API}subscriptions/{subscription.public_id}/"
    assert invalid_fields(make_client().patch(path, {"endpoint": foreign.public_id})) == ["endpoint"]


def test_subscriptions_are_listed_by_endpoint():
    tenant = make_tenant()
    one, other = make_subscription(make_endpoint(tenant, uid="one")), make_subscription(make_endpoint(tenant))
    client = make_client(tenant)
    assert [row["id"] for row in client.get(f"{API}subscriptions/?endpoint=one").json()["data"]] == [one.public_id]
    assert len(client.get(f"{API}subscriptions/").json()["data"]) == 2
    assert invalid_fields(client.get(f"{API}subscriptions/?endpoint={make_endpoint().public_id}")) == ["endpoint"]
    assert other.public_id


def test_deleted_subscription_is_a_404():
    subscription = make_subscription()
    path = f"{API}subscriptions/{subscription.public_id}/"
    client = make_client(subscription.tenant)
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_every_change_of_routing_raises_the_routes_version():
    tenant = make_tenant()
    client = make_client(tenant)

    def version():
        return Tenant.objects.values_list("routes_version", flat=True).get(pk=tenant.pk)

    seen = [version()]
    created = client.post(f"{API}endpoints/", {"url": URL}).json()
    seen.append(version())
    subscribed = client.post(f"{API}subscriptions/", {"endpoint": created["id"], "event_types": ["*"]}).json()
    path = f"{API}subscriptions/{subscribed['id']}/"
    seen.append(version())
    client.patch(path, {"active": False})
    seen.append(version())
    client.delete(path)
    seen.append(version())
    assert seen == sorted(set(seen))


def test_subscription_without_types_or_pattern_is_a_400_that_says_how_to_take_all():
    endpoint = make_endpoint()
    client = make_client(endpoint.tenant)
    (error,) = client.post(f"{API}subscriptions/", {"endpoint": endpoint.public_id}).json()["errors"]
    assert (error["field"], error["code"]) == ("event_types", "required")
    assert '["*"]' in error["detail"]
    made = client.post(f"{API}subscriptions/", {"endpoint": endpoint.public_id, "pattern": {"data": {"a": [1]}}})
    assert made.json()["event_types"] == ["*"]


@pytest.mark.parametrize("selects", [{"endpoint": "main"}, {"endpoint_labels": {"env": "prod"}}])
@pytest.mark.parametrize("pattern", [None, {"data": {"a": [1]}}])
def test_same_subscription_again_is_a_409_that_names_the_existing_one(selects, pattern):
    client = make_client(make_endpoint(uid="main").tenant)
    body = {**selects, "event_types": ["order.paid", "order.lost"], "pattern": pattern}
    first = client.post(f"{API}subscriptions/", body).json()
    again = client.post(f"{API}subscriptions/", {**body, "event_types": body["event_types"][::-1], "active": False})
    (error,) = again.json()["errors"]
    assert (again.status_code, error["field"], error["code"]) == (409, "event_types", "conflict")
    assert first["id"] in error["detail"]
    for change in (
        {"event_types": ["order.paid"]},
        {"event_types": ["user.created"], "transformer": {"template": "x"}},
    ):
        assert client.post(f"{API}subscriptions/", {**body, **change}).status_code == 201


def test_change_that_makes_a_subscription_the_same_as_another_is_a_409():
    client = make_client(make_endpoint(uid="main").tenant)
    first, second = (
        client.post(f"{API}subscriptions/", {"endpoint": "main", "event_types": [name]}).json() for name in ("a", "b")
    )
    address = f"{API}subscriptions/{second['id']}/"
    refused = client.patch(address, {"event_types": ["a"]})
    assert (refused.status_code, first["id"] in refused.json()["detail"]) == (409, True)
    assert client.patch(address, {"description": "text"}).status_code == 200


@pytest.mark.parametrize("name", ["orders/create", "Order Paid", "com.github.pull_request:opened", "Bestellung ü"])
def test_type_that_can_be_published_can_be_named_in_a_subscription_and_the_catalogue(name):
    endpoint = make_endpoint()
    client = make_client(endpoint.tenant)
    created = client.post(f"{API}event-types/", {"name": name, "schema": {"type": "object"}})
    assert created.status_code == 201, created.content
    subscription = {"endpoint": endpoint.public_id, "event_types": [name]}
    assert client.post(f"{API}subscriptions/", subscription).status_code == 201
    published = client.post(f"{API}events/", {"type": name, "data": {}}).json()
    assert published["deliveries"] == 1
    assert "warnings" not in published
    shown = client.get(f"/catalogue/{quote(name)}/")
    assert shown.status_code == 200
    assert client.get(f"/catalogue/{quote(name)}/1.json").json() == {"type": "object"}


@pytest.mark.parametrize("name", ["order.*", "*", "a*b", " a", "a "])
def test_type_that_no_subscription_can_name_cannot_be_published(name):
    response = make_client(make_tenant()).post(f"{API}events/", {"type": name, "data": {}})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "type")


@pytest.mark.parametrize(
    ("number", "stored"),
    [("1.10", 1.1), ("1e2", 100), ("0.3", 0.3), ("-0", 0), ("18446744073709551615", 2**64 - 1)],
)
def test_number_of_a_pattern_is_stored_with_its_exact_value(number: str, stored: float) -> None:
    response = _post_pattern(number)
    assert response.status_code == 201, response.content
    assert response.json()["pattern"] == {"data": {"n": [stored]}}


@pytest.mark.parametrize(
    ("number", "stored"), [("0.1000000000000000055", "0.1"), ("123456789012345678901.5", "1.2345678901234568e+20")]
)
def test_number_of_a_pattern_with_more_digits_than_a_double_is_a_400(number: str, stored: str) -> None:
    response = _post_pattern(number)
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "#/pattern"
    assert f"{number} would be stored as {stored}; give a number of up to 15 digits." in response.json()["detail"]


def _post_pattern(number: str) -> Any:
    tenant = make_tenant()
    endpoint = make_endpoint(tenant).public_id
    body = f'{{"endpoint":"{endpoint}","event_types":["a"],"pattern":{{"data":{{"n":[{number}]}}}}}}'
    return make_client(tenant, "manage").post("/api/v1/subscriptions/", body.encode(), content_type="application/json")


class TestUid:
    """A subscription has a uid as endpoints and sources have it."""

    @pytest.fixture
    def tenant(self) -> Tenant:
        return make_tenant()

    @pytest.fixture
    def body(self, tenant: Tenant) -> dict[str, Any]:
        return {"endpoint": make_endpoint(tenant, uid="shop").public_id, "event_types": ["order.*"]}

    def test_put_of_a_free_uid_creates_and_put_again_replaces(self, tenant: Tenant, body: dict[str, Any]) -> None:
        client = make_client(tenant)
        created = client.put(f"{API}subscriptions/orders/", body)
        assert (created.status_code, created.json()["uid"]) == (201, "orders")
        replaced = client.put(f"{API}subscriptions/orders/", {**body, "event_types": ["order.paid"]})
        assert (replaced.status_code, replaced.json()["uid"]) == (200, "orders")
        assert replaced.json()["id"] == created.json()["id"]

    def test_uid_is_accepted_in_paths_and_filters(self, tenant: Tenant, body: dict[str, Any]) -> None:
        client = make_client(tenant)
        created = client.post(f"{API}subscriptions/", {**body, "uid": "orders"}).json()
        client.post(f"{API}subscriptions/", {**body, "event_types": ["a"]})
        assert client.get(f"{API}subscriptions/orders/").json()["id"] == created["id"]
        assert [it["id"] for it in client.get(f"{API}subscriptions/?uid=orders").json()["data"]] == [created["id"]]
        test = {"subscription": "orders", "event": {"type": "order.paid", "data": {}}}
        assert client.post(f"{API}subscriptions/test/", test).status_code == 200
        assert client.delete(f"{API}subscriptions/orders/").status_code == 204
        assert client.put(f"{API}subscriptions/orders/", body).status_code == 201

    def test_taken_uid_is_a_conflict(self, tenant: Tenant, body: dict[str, Any]) -> None:
        client = make_client(tenant)
        client.put(f"{API}subscriptions/orders/", body)
        other = {**body, "event_types": ["b"]}
        assert client.post(f"{API}subscriptions/", {**other, "uid": "orders"}).status_code == 409
        second = client.post(f"{API}subscriptions/", other).json()["id"]
        refused = client.patch(f"{API}subscriptions/{second}/", {"uid": "orders"})
        assert invalid_fields(refused, 409) == ["uid"]

    def test_other_tenants_have_uids_of_their_own(self, tenant: Tenant, body: dict[str, Any]) -> None:
        make_client(tenant).put(f"{API}subscriptions/orders/", body)
        other = make_tenant()
        assert make_client(other).get(f"{API}subscriptions/orders/").status_code == 404
        own = {**body, "endpoint": make_endpoint(other).public_id}
        assert make_client(other).put(f"{API}subscriptions/orders/", own).status_code == 201

    @pytest.mark.parametrize("uid", ["delete", "test", "sub_01k1e4z8w6e7x9v2q3r4s5t6a7", "a/b"])
    def test_uid_that_a_path_or_an_id_has_is_refused(self, tenant: Tenant, body: dict[str, Any], uid: str) -> None:
        response = make_client(tenant).post(f"{API}subscriptions/", {**body, "uid": uid})
        assert (response.status_code, invalid_fields(response)) == (400, ["uid"])
