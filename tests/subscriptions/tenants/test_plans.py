"""Plans: which one applies, what it limits, and the operations of the API."""

import pytest

from subscriptions.endpoints.endpoints import create_endpoint, delete_endpoint
from subscriptions.errors import Invalid, LimitExceeded, StateConflict
from subscriptions.models import Endpoint, Plan, Subscription, Tenant
from subscriptions.routing.models import BYTES_PER_TYPE
from subscriptions.routing.subscriptions import change_subscription, create_subscription
from subscriptions.tenants import plans
from subscriptions.tenants.tenants import change_tenant, create_tenant
from tests.factories import URL, make_client, make_endpoint, make_plan, make_subscription, make_tenant
from tests.routes import ApiRoute, RouteCases
from tests.threads import in_threads

pytestmark = pytest.mark.django_db

API = "/api/v1/"


class TestPlanRoutes(RouteCases):
    routes = (
        ApiRoute("get", "plans/", "read", 200),
        ApiRoute("get", "plans/{plan}/", "read", 200),
    )

    def make_ids(self, tenant):
        plan = make_plan()
        Tenant.objects.filter(pk=tenant.pk).update(plan=plan)
        return {"plan": plan.public_id}


# --- which plan applies


def test_plan_of_a_tenant_without_plans_has_the_field_defaults():
    plan = plans.plan_of(make_tenant())
    assert (plan.events_per_month, plan.publish_rate, plan.max_event_bytes) == (None, None, None)
    assert plan.max_endpoints == 10_000


def test_plan_of_a_tenant_is_its_own_or_the_default():
    default = plans.create_plan("Free", is_default=True, max_endpoints=3)
    other = make_plan(max_endpoints=5)
    assert plans.plan_of(make_tenant()) == default
    assert plans.plan_of(make_tenant(plan=other)) == other


def test_new_default_plan_replaces_the_former_default():
    before = plans.create_plan("Free", is_default=True)
    after = plans.create_plan("Freer", is_default=True)
    assert plans.plan_of(make_tenant()) == after
    assert list(Plan.objects.filter(is_default=True)) == [after]
    plans.change_plan(before, {"is_default": True})
    assert plans.plan_of(make_tenant()) == before


def test_delete_plan_in_use_raises():
    plan = make_plan()
    make_tenant(plan=plan)
    with pytest.raises(StateConflict):
        plans.delete_plan(plan)
    plans.delete_plan(make_plan())


# --- endpoints


def test_create_endpoint_above_the_limit_raises():
    tenant = make_tenant(plan=make_plan(max_endpoints=2))
    first, _ = create_endpoint(tenant, url=URL)
    create_endpoint(tenant, url=URL)
    with pytest.raises(LimitExceeded) as error:
        create_endpoint(tenant, url=URL)
    assert (error.value.limit, error.value.allowed, error.value.used) == ("max_endpoints", 2, 2)
    assert Endpoint.objects.filter(tenant=tenant).count() == 2
    delete_endpoint(first)
    create_endpoint(tenant, url=URL)


@pytest.mark.django_db(transaction=True)
def test_concurrent_creations_of_the_last_endpoint_admit_one():
    tenant = make_tenant(plan=make_plan(max_endpoints=1))

    def create():
        try:
            return create_endpoint(tenant, url=URL)[0]
        except LimitExceeded as error:
            return error

    results = in_threads(create, create)
    assert sorted(type(result).__name__ for result in results) == ["Endpoint", "LimitExceeded"]
    assert Endpoint.objects.count() == 1


def test_endpoint_above_the_limit_is_a_402_with_the_numbers():
    tenant = make_tenant(plan=make_plan(max_endpoints=0))
    response = make_client(tenant).post(f"{API}endpoints/", {"url": URL})
    assert response.status_code == 402
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["code"] == "plan_exceeded"
    assert {name: problem[name] for name in ("limit", "allowed", "used", "resets_at")} == {
        "limit": "max_endpoints",
        "allowed": 0,
        "used": 0,
        "resets_at": None,
    }


# --- subscriptions


def test_subscription_beyond_the_limit_of_the_plan_is_a_402_that_names_it():
    tenant = make_tenant(plan=make_plan(max_subscriptions=1))
    client, body = make_client(tenant), {"endpoint": make_endpoint(tenant).public_id, "event_types": ["*"]}
    created = client.post(f"{API}subscriptions/", body)
    assert created.status_code == 201
    problem = client.post(f"{API}subscriptions/", {**body, "event_types": ["a"]}).json()
    assert (problem["status"], problem["limit"], problem["allowed"]) == (402, "max_subscriptions", 1)
    assert Subscription.objects.count() == 1
    limits = client.get(f"{API}tenants/{tenant.public_id}/limits/").json()["data"]
    used = {it["name"]: it["used"] for it in limits}
    assert (used["max_subscriptions"], used["max_subscription_bytes"]) == (1, BYTES_PER_TYPE)
    client.delete(f"{API}subscriptions/{created.json()['id']}/")
    assert client.post(f"{API}subscriptions/", body).status_code == 201


LARGE = {"pattern": {"data": {"a": ["x" * 900]}}, "event_types": ["*"]}


@pytest.mark.parametrize(
    "large",
    [LARGE, {"transformer": {"template": '"' + "x" * 900 + '"'}}, {"event_types": ["a.b", "a.c", "a.d"]}],
    ids=["pattern", "transformer", "types"],
)
def test_bytes_of_all_subscriptions_of_a_tenant_are_limited(large):
    tenant = make_tenant(plan=make_plan(max_subscription_bytes=3 * BYTES_PER_TYPE))
    endpoint = make_endpoint(tenant)
    small = create_subscription(tenant, {"endpoint": endpoint, "event_types": ["a.b"]})
    for write in (
        lambda: create_subscription(tenant, {"endpoint": endpoint, "event_types": ["a.b"], **large}),
        lambda: change_subscription(create_subscription(tenant, {"endpoint": endpoint, "event_types": ["a.e"]}), large),
    ):
        with pytest.raises(LimitExceeded) as error:
            write()
        assert (error.value.limit, error.value.allowed) == ("max_subscription_bytes", 3 * BYTES_PER_TYPE)
    small.refresh_from_db()
    assert small.size == BYTES_PER_TYPE
    create_subscription(make_tenant(), {"endpoint": make_endpoint(), **large})  # of a tenant with the default limit


def test_subscription_that_becomes_no_larger_may_be_changed_beyond_the_limit():
    row = make_subscription(make_endpoint(make_tenant(plan=make_plan(max_subscription_bytes=0))), **LARGE)
    assert change_subscription(row, {"active": False, "pattern": {"data": {"a": ["y" * 900]}}}).active is False
    assert change_subscription(row, {"pattern": None}).size == BYTES_PER_TYPE
    with pytest.raises(LimitExceeded):
        change_subscription(row, LARGE)


def test_changed_subscription_beyond_the_limit_of_bytes_is_a_402_and_unchanged():
    tenant = make_tenant(plan=make_plan(max_subscription_bytes=BYTES_PER_TYPE))
    row = make_subscription(make_endpoint(tenant))
    problem = make_client(tenant).patch(f"{API}subscriptions/{row.public_id}/", LARGE).json()
    assert (problem["status"], problem["limit"]) == (402, "max_subscription_bytes")
    row.refresh_from_db()
    assert row.pattern is None


@pytest.mark.django_db(transaction=True)
def test_concurrent_creations_of_the_last_subscription_admit_one():
    tenant = make_tenant(plan=make_plan(max_subscriptions=1))
    endpoint = make_endpoint(tenant)

    def create():
        try:
            return create_subscription(tenant, {"endpoint": endpoint, "event_types": ["*"]})
        except LimitExceeded as error:
            return error

    results = in_threads(create, create)
    assert sorted(type(result).__name__ for result in results) == ["LimitExceeded", "Subscription"]
    assert Subscription.objects.count() == 1


# --- retention


def test_retention_above_the_plan_is_rejected():
    plan = make_plan(max_retention_days=30)
    assert create_tenant("Acme", plan=plan).retention_days == 30
    with pytest.raises(Invalid) as error:
        create_tenant("Acme", plan=plan, retention_days=31)
    assert error.value.field == "retention_days"
    tenant = create_tenant("Acme", plan=plan, retention_days=7)
    with pytest.raises(Invalid):
        change_tenant(tenant, {"retention_days": 31})
    assert change_tenant(tenant, {"retention_days": 30}).retention_days == 30


def test_lower_limit_shortens_the_retention_of_the_plans_tenants_only():
    plan, other = make_plan(), make_tenant()
    tenant = make_tenant(plan=plan)
    plan = plans.change_plan(plan, {"max_retention_days": 10})
    moved = change_tenant(make_tenant(), {"plan": plan})
    tenant.refresh_from_db(), other.refresh_from_db()
    assert (tenant.retention_days, moved.retention_days, other.retention_days) == (10, 10, 90)
    plans.create_plan("Free", is_default=True, max_retention_days=20)
    other.refresh_from_db(), tenant.refresh_from_db()
    assert (other.retention_days, tenant.retention_days) == (20, 10)


# --- the API


def test_operator_creates_changes_and_deletes_plans():
    operator = make_client()
    created = operator.post(f"{API}plans/", {"name": "Starter", "uid": "starter", "events_per_month": 1000})
    assert created.status_code == 201, created.content
    assert created.json()["id"].startswith("pln_")
    assert operator.get(f"{API}plans/starter/").json() == created.json()
    assert operator.patch(f"{API}plans/starter/", {"publish_rate": 50}).json()["publish_rate"] == 50
    tenant = operator.post(f"{API}tenants/", {"name": "Acme", "plan": "starter"}).json()
    assert tenant["plan"] == created.json()["id"]
    error = operator.delete(f"{API}plans/starter/")
    assert error.status_code == 409
    assert operator.patch(f"{API}tenants/{tenant['id']}/", {"plan": None}).json()["plan"] is None
    assert operator.delete(f"{API}plans/starter/").status_code == 204


def test_tenant_reads_only_its_own_plan():
    mine, other = make_plan(), make_plan()
    client = make_client(make_tenant(plan=mine))
    assert [row["id"] for row in client.get(f"{API}plans/").json()["data"]] == [mine.public_id]
    assert client.get(f"{API}plans/{other.public_id}/").status_code == 404
    assert client.patch(f"{API}plans/{mine.public_id}/", {"publish_rate": None}).status_code == 403
    assert client.post(f"{API}plans/", {"name": "Mine"}).status_code == 403


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a\x00b"),
        ("uid", "no spaces"),
        ("is_default", "yes"),
        ("events_per_month", -1),
        ("events_per_month", 10**30),
        ("events_per_month", "1000"),
        ("publish_rate", 0),
        ("publish_rate", 1.5),
        ("max_endpoints", -1),
        ("max_subscriptions", -1),
        ("max_subscription_bytes", 2**31),
        ("max_event_bytes", 10),
        ("max_retention_days", 0),
        ("max_retention_days", 4000),
        ("price", 10),
    ],
)
def test_invalid_plan_is_a_400_that_names_the_field(field, value):
    response = make_client().post(f"{API}plans/", {"name": "Starter", field: value})
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert not Plan.objects.exists()


def test_tenant_with_an_unknown_plan_is_rejected():
    response = make_client().post(f"{API}tenants/", {"name": "Acme", "plan": "nothing"})
    assert [error["field"] for error in response.json()["errors"]] == ["plan"]


def retention(tenant: Tenant) -> int:
    return Tenant.objects.get(pk=tenant.pk).retention_days


def test_retention_that_a_plan_shortened_is_restored_when_the_plan_allows_it():
    plan = make_plan()
    tenant = create_tenant("Acme", plan=plan, retention_days=60)
    plan = plans.change_plan(plan, {"max_retention_days": 10})
    assert retention(tenant) == 10
    plan = plans.change_plan(plan, {"max_retention_days": 30})
    assert retention(tenant) == 30
    plans.change_plan(plan, {"max_retention_days": None})
    assert retention(tenant) == 60


def test_retention_that_a_plan_shortened_is_restored_by_another_plan():
    tenant = create_tenant("Acme", retention_days=60)
    assert change_tenant(tenant, {"plan": make_plan(max_retention_days=7)}).retention_days == 7
    assert change_tenant(tenant, {"plan": None, "retention_days": 7}).retention_days == 60
    assert change_tenant(tenant, {"retention_days": 7}).retention_days == 7
    assert change_tenant(tenant, {"plan": make_plan(max_retention_days=30)}).retention_days == 7


def test_retention_that_the_default_plan_shortened_is_restored_without_a_default_plan():
    tenant = create_tenant("Acme", retention_days=60)
    plan = plans.create_plan("Free", is_default=True, max_retention_days=20)
    assert retention(tenant) == 20
    plans.change_plan(plan, {"is_default": False})
    assert retention(tenant) == 60
    plan = plans.create_plan("Trial", is_default=True, max_retention_days=20)
    assert retention(tenant) == 20
    plans.delete_plan(plan)
    assert retention(tenant) == 60
