"""Create, replace and delete many endpoints and their subscriptions in one request."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from subscriptions.models import Endpoint, Subscription, Tenant
from tests.factories import (
    URL,
    client_with,
    make_client,
    make_endpoint,
    make_key,
    make_plan,
    make_subscription,
    make_tenant,
)
from tests.routes import ApiRoute, RouteCases

pytestmark = pytest.mark.django_db

ENDPOINTS = "/api/v1/endpoints/"
BATCH = f"{ENDPOINTS}batch/"
SUBSCRIPTIONS = "/api/v1/subscriptions/"


class TestRoutes(RouteCases):
    routes = [
        ApiRoute("post", "endpoints/batch/", "manage", 200, {"data": [{"uid": "a", "url": URL}]}),
        ApiRoute("post", "endpoints/delete/", "manage", 200, {"all": True}),
        ApiRoute("post", "endpoints/delete/preview/", "read", 200, {"all": True}),
        ApiRoute("post", "subscriptions/delete/", "manage", 200, {"all": True}),
        ApiRoute("post", "subscriptions/delete/preview/", "read", 200, {"all": True}),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        return {}


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def client(tenant: Tenant) -> APIClient:
    return make_client(tenant)


def put(client: APIClient, *items: Any) -> Any:
    response = client.post(BATCH, {"data": list(items)}, format="json")
    assert response.status_code == 200, response.content
    return response.json()


def statuses(result: Any) -> list[str]:
    return [item["status"] for item in result["data"]]


def test_batch_creates_endpoints_with_secrets_and_subscriptions(client: APIClient, tenant: Tenant) -> None:
    wanted = [{"event_types": ["order.*"]}, {"event_types": ["invoice.paid"], "pattern": {"subject": ["A"]}}]
    result = put(client, {"uid": "a", "url": URL, "subscriptions": wanted}, {"uid": "b", "url": URL})
    assert (result["created"], result["updated"], result["failed"]) == (2, 0, 0)
    assert [item["endpoint"]["secret"][:6] for item in result["data"]] == ["whsec_"] * 2
    assert set(Endpoint.objects.values_list("tenant", "uid")) == {(tenant.pk, "a"), (tenant.pk, "b")}
    rows = Subscription.objects.filter(endpoint__uid="a", tenant=tenant).order_by("id")
    assert [(row.event_types, row.pattern) for row in rows] == [
        (["order.*"], None),
        (["invoice.paid"], {"subject": ["A"]}),
    ]


def test_batch_sent_again_changes_no_row(client: APIClient) -> None:
    item = {"uid": "a", "url": URL, "subscriptions": [{"event_types": ["order.*"]}]}
    first = put(client, item)["data"][0]["endpoint"]
    kept = Subscription.objects.get().pk
    again = put(client, item)
    assert statuses(again) == ["updated"]
    assert "secret" not in again["data"][0]["endpoint"]
    assert again["data"][0]["endpoint"]["id"] == first["id"]
    assert [Endpoint.objects.count(), Subscription.objects.get().pk] == [1, kept]


def test_batch_replaces_subscriptions_that_name_the_endpoint_if_they_are_given(client: APIClient) -> None:
    endpoint = make_endpoint(Tenant.objects.get(), uid="a")
    kept, dropped = make_subscription(endpoint, event_types=["a"]), make_subscription(endpoint, event_types=["b"])
    by_label = Subscription.objects.create(tenant=endpoint.tenant, endpoint_labels={}, event_types=["*"])
    put(client, {"uid": "a", "url": URL})
    assert Subscription.objects.count() == 3
    put(client, {"uid": "a", "url": URL, "subscriptions": [{"event_types": ["a"]}, {"event_types": ["c"]}]})
    left = set(Subscription.objects.values_list("pk", flat=True))
    assert {kept.pk, by_label.pk} < left
    assert dropped.pk not in left
    put(client, {"uid": "a", "url": URL, "subscriptions": []})
    assert Subscription.objects.get() == by_label


def test_malformed_items_are_a_400_that_names_each_and_nothing_is_written(client: APIClient) -> None:
    make_endpoint(Tenant.objects.get(), uid="e", description="kept")
    items = [
        {"uid": "a", "url": URL},
        {"uid": "b", "url": URL, "timeout": 5, "labels": {"env": ""}},
        {"url": URL},
        {"uid": "c", "url": URL, "subscriptions": [{"event_types": ["*."]}]},
        {"uid": None, "url": URL},
        {"uid": "e", "url": 5},
        {"uid": "a", "url": URL},
    ]
    response = client.post(BATCH, {"data": items}, format="json")
    assert response.status_code == 400
    fields = {error["field"] for error in response.json()["errors"]}
    subscription = next(it for it in fields if it.startswith("data.3."))
    assert subscription.startswith("data.3.subscriptions.0.event_types")
    assert fields - {subscription} == {"data.1.labels", "data.1.timeout", "data.2.uid", "data.4.uid", "data.5.url"}
    assert list(Endpoint.objects.values_list("uid", "description")) == [("e", "kept")]


def test_item_that_cannot_be_done_does_not_undo_the_others(client: APIClient) -> None:
    result = put(
        client,
        {"uid": "a", "url": URL},
        {"uid": "b", "url": "https://10.0.0.1/"},
        {"uid": "d", "url": URL},
    )
    assert statuses(result) == ["created", "failed", "created"]
    assert result["failed"] == 1
    error = result["data"][1]["error"]
    assert (error["status"], error["errors"][0]["field"]) == (400, "url")
    assert set(Endpoint.objects.values_list("uid", flat=True)) == {"a", "d"}


def test_item_beyond_the_plan_fails_and_writes_nothing(client: APIClient, tenant: Tenant) -> None:
    tenant.plan = make_plan(max_endpoints=1, max_subscriptions=1)
    tenant.save()
    both = [{"event_types": ["a"]}, {"event_types": ["b"]}]
    result = put(client, {"uid": "a", "url": URL, "subscriptions": both}, {"uid": "b", "url": URL})
    assert statuses(result) == ["failed", "created"]
    assert result["data"][0]["error"]["limit"] == "max_subscriptions"
    assert not Subscription.objects.exists()
    assert put(client, {"uid": "d", "url": URL})["data"][0]["error"]["limit"] == "max_endpoints"


def test_items_after_the_time_is_over_fail_and_can_be_sent_again(
    client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subscriptions.api.bulk.endpoint_batch.BUDGET", -1.0)
    late = put(client, {"uid": "a", "url": URL})
    assert (statuses(late), late["data"][0]["error"]["status"]) == (["failed"], 429)
    monkeypatch.setattr("subscriptions.api.bulk.endpoint_batch.BUDGET", 60.0)
    assert statuses(put(client, {"uid": "a", "url": URL})) == ["created"]


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "data"), ({"data": []}, "data"), ({"data": [1]}, "data.0"), ({"data": [{}], "all": True}, "all")],
)
def test_invalid_batch_is_a_400_and_writes_nothing(client: APIClient, body: Any, field: str) -> None:
    response = client.post(BATCH, body, format="json")
    assert (response.status_code, [it["field"] for it in response.json()["errors"]]) == (400, [field])
    assert not Endpoint.objects.exists()


def test_batch_of_more_than_500_items_is_a_400(client: APIClient) -> None:
    response = client.post(BATCH, {"data": [{"uid": str(number)} for number in range(501)]}, format="json")
    assert response.status_code == 400


@pytest.mark.parametrize("uid", ["batch", "delete", "ep_01m83t2ghzevcannga6my0tf3k"])
def test_uid_that_a_path_or_an_id_has_is_refused(client: APIClient, uid: str) -> None:
    response = client.post(BATCH, {"data": [{"uid": uid, "url": URL}]}, format="json")
    assert [it["field"] for it in response.json()["errors"]] == ["data.0.uid"]


def test_bulk_requests_need_a_key_of_the_tenant(tenant: Tenant) -> None:
    _, key = make_key(tenant, "manage", endpoint=make_endpoint(tenant))
    for path in (BATCH, f"{ENDPOINTS}delete/"):
        assert client_with(key).post(path, {"all": True}, format="json").status_code == 403
    assert make_client(None).post(f"{ENDPOINTS}delete/", {"all": True}, format="json").status_code == 400
    assert Endpoint.objects.get().deleted_at is None


def test_endpoint_is_created_and_replaced_with_its_subscriptions_in_one_call(client: APIClient) -> None:
    created = client.post(ENDPOINTS, {"uid": "a", "url": URL, "subscriptions": [{"event_types": ["a"]}]})
    assert created.status_code == 201
    assert Subscription.objects.get().event_types == ["a"]
    replaced = client.put(f"{ENDPOINTS}a/", {"url": URL, "subscriptions": [{"event_types": ["b"]}]})
    assert replaced.status_code == 200
    assert Subscription.objects.get().event_types == ["b"]


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ({"filter": {"labels": {"env": "test"}}}, {"b"}),
        ({"filter": {"labels": "env:test"}}, {"b"}),
        ({"filter": {"uid": "a"}}, {"b"}),
        ({"filter": {"state": "paused"}}, {"a"}),
        ({"all": True}, set()),
    ],
)
def test_delete_by_filter_deletes_what_its_preview_counts(
    client: APIClient, tenant: Tenant, body: Any, left: set[str]
) -> None:
    make_subscription(make_endpoint(tenant, uid="a", labels={"env": "test"}))
    make_endpoint(tenant, uid="b", state="paused")
    foreign = make_endpoint(uid="a", labels={"env": "test"})
    count = 2 - len(left)
    preview = client.post(f"{ENDPOINTS}delete/preview/", body, format="json").json()
    assert preview == {"total": count, "is_lower_bound": False}
    assert client.post(f"{ENDPOINTS}delete/", body, format="json").json() == {"total": count, "has_more": False}
    rows = Endpoint.objects.filter(tenant=tenant, deleted_at=None)
    assert set(rows.values_list("uid", flat=True)) == left
    assert Subscription.objects.exists() == ("a" in left)
    foreign.refresh_from_db()
    assert foreign.deleted_at is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "filter"),
        ({"filter": {}}, "filter"),
        ({"filter": {"label": "env:test"}}, "filter.label"),
        ({"filter": {"uid": "a"}, "all": True}, "all"),
    ],
)
@pytest.mark.parametrize("path", [f"{ENDPOINTS}delete/", f"{ENDPOINTS}delete/preview/"])
def test_delete_without_a_valid_condition_deletes_nothing(client: APIClient, path: str, body: Any, field: str) -> None:
    make_endpoint(Tenant.objects.get(), uid="a")
    response = client.post(path, body, format="json")
    assert (response.status_code, [it["field"] for it in response.json()["errors"]]) == (400, [field])
    assert Endpoint.objects.get().deleted_at is None


def test_delete_beyond_its_limit_says_that_there_are_more(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subscriptions.api.bulk.deletion.MAX_DELETED", 2)
    for _ in range(3):
        make_endpoint(Tenant.objects.get())
    found = [client.post(f"{ENDPOINTS}delete/", {"all": True}, format="json").json() for _ in range(2)]
    assert found == [{"total": 2, "has_more": True}, {"total": 1, "has_more": False}]


def test_subscriptions_are_deleted_by_filter(client: APIClient, tenant: Tenant) -> None:
    one, other = make_endpoint(tenant, uid="a"), make_endpoint(tenant, uid="b")
    make_subscription(one, event_types=["order.*"]), make_subscription(other, event_types=["invoice.*"])
    make_subscription(make_endpoint(), event_types=["order.*"])
    body = {"filter": {"event_type": "order.paid"}}
    path = f"{SUBSCRIPTIONS}delete/"
    assert client.post(f"{path}preview/", body, format="json").json()["total"] == 1
    assert client.post(path, body, format="json").json() == {"total": 1, "has_more": False}
    assert client.post(path, {"filter": {"endpoint": "b"}}, format="json").json()["total"] == 1
    assert Subscription.objects.count() == 1


def test_items_with_the_same_uid_all_fail_and_name_each_other(client: APIClient) -> None:
    items = [{"uid": uid, "url": f"{URL}{n}"} for n, uid in enumerate("abab")]
    result = put(client, *items, {"uid": "c", "url": URL})
    assert statuses(result) == ["failed"] * 4 + ["created"]
    problems = [item["error"]["errors"][0] for item in result["data"][:4]]
    assert [problem["field"] for problem in problems] == ["uid"] * 4
    assert [other in problem["detail"] for problem, other in zip(problems, "2301", strict=True)] == [True] * 4
    assert list(Endpoint.objects.values_list("uid", flat=True)) == ["c"]


def test_many_items_with_the_same_uid_are_named_in_part(client: APIClient) -> None:
    result = put(client, *[{"uid": "a", "url": URL}] * 8)
    message = result["data"][7]["error"]["errors"][0]["detail"]
    assert "data[0], data[1], data[2], data[3], data[4] and 2 more" in message


@pytest.mark.parametrize(
    "same",
    [
        [{"event_types": ["a", "b"]}, {"event_types": ["c"]}, {"event_types": ["b", "a"], "description": "again"}],
        [{"event_types": ["a"], "pattern": {"subject": ["x"]}}] * 3,
    ],
)
def test_same_subscription_twice_in_one_item_is_an_error_that_names_both(client: APIClient, same: list[Any]) -> None:
    result = put(client, {"uid": "a", "url": URL, "subscriptions": same}, {"uid": "b", "url": URL})
    assert statuses(result) == ["failed", "created"]
    error = result["data"][0]["error"]
    assert (error["status"], error["errors"][0]["field"]) == (409, "subscriptions")
    assert "Items 0 and" in error["errors"][0]["detail"]
    assert not Endpoint.objects.filter(uid="a").exists()


def test_same_subscription_twice_is_an_error_also_if_the_endpoint_has_it(client: APIClient) -> None:
    once = {"uid": "a", "url": URL, "subscriptions": [{"event_types": ["a"]}]}
    put(client, once)
    result = put(client, {**once, "subscriptions": once["subscriptions"] * 2})
    assert statuses(result) == ["failed"]
    assert Subscription.objects.count() == 1
