"""Labels of endpoints: lists, statistics, replays, cancellations and subscriptions select by them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from delivery.models import Delivery, HourlyStats
from delivery.publishing.publisher import publish
from delivery.replaying import replays
from delivery.sending.attempt_stats import BOUNDS
from subscriptions.models import Endpoint, Tenant
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import URL, make_client, make_endpoint, make_subscription, make_tenant
from tests.subscriptions.api.problems import invalid_fields

pytestmark = pytest.mark.django_db

API = "/api/v1/"


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def client(tenant: Tenant) -> APIClient:
    return make_client(tenant)


@pytest.fixture
def prod(tenant: Tenant) -> Endpoint:
    return make_endpoint(tenant, uid="prod", labels={"env": "prod", "region": "eu"})


@pytest.fixture
def dev(tenant: Tenant) -> Endpoint:
    return make_endpoint(tenant, uid="dev", labels={"env": "dev", "region": "eu"})


def ids(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [it["id"] for it in response.json()["data"]]


def test_labels_of_an_endpoint_are_stored_replaced_and_kept(client: APIClient) -> None:
    made = client.post(f"{API}endpoints/", {"url": URL, "uid": "a", "labels": {"env": "prod"}}, format="json").json()
    assert made["labels"] == {"env": "prod"}
    assert client.patch(f"{API}endpoints/a/", {"description": "x"}, format="json").json()["labels"] == {"env": "prod"}
    replaced = client.put(f"{API}endpoints/a/", {"url": URL}, format="json").json()
    assert (replaced["labels"], replaced["uid"]) == ({}, "a")


def test_lists_select_by_the_labels_of_endpoints(client: APIClient, prod: Endpoint, dev: Endpoint) -> None:
    event = make_event(prod.tenant)
    for path, of_prod in (
        ("endpoints/", prod),
        ("subscriptions/", make_subscription(prod)),
        ("deliveries/", make_delivery(event, prod)),
        ("dead-letters/", make_dead_letter(make_delivery(make_event(prod.tenant), prod, state="dead"))),
    ):
        found = ids(client.get(f"{API}{path}?labels=env:prod"))
        assert of_prod.public_id in found
        assert of_prod.public_id not in ids(client.get(f"{API}{path}?labels=env:dev"))
    make_subscription(dev)
    assert ids(client.get(f"{API}endpoints/?labels=region:eu")) == [dev.public_id, prod.public_id]
    assert ids(client.get(f"{API}endpoints/?labels=region:eu,env:prod")) == [prod.public_id]


def test_statistics_add_up_the_endpoints_with_the_labels(client: APIClient, prod: Endpoint, dev: Endpoint) -> None:
    other = make_endpoint(prod.tenant, labels={"env": "prod"})
    foreign = make_endpoint(labels={"env": "prod"})
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for endpoint, attempts in ((prod, 1), (other, 2), (dev, 4), (foreign, 8)):
        HourlyStats.objects.create(
            endpoint=endpoint,
            begins_at=hour,
            attempts=attempts,
            delivered=1,
            latencies=[attempts] + [0] * len(BOUNDS[1:]),
        )

    def total(query: str) -> tuple[int, int]:
        found = client.get(f"{API}endpoint-stats/{query}").json()["total"]
        return found["attempts"], found["delivered"]

    assert total("?labels=env:prod") == (3, 2)
    assert total("") == (7, 3)
    assert total("?state=paused") == (0, 0)


@pytest.mark.parametrize("scope", ["dead_letters", "events"])
def test_replay_sends_to_the_endpoints_with_the_labels_only(
    client: APIClient, prod: Endpoint, dev: Endpoint, scope: str
) -> None:
    for endpoint in (prod, dev):
        make_subscription(endpoint)
    event = make_event(prod.tenant)
    dead = [make_delivery(event, endpoint, state="dead") for endpoint in (prod, dev)]
    for delivery in dead:
        make_dead_letter(delivery)
    body = {"scope": scope, "filter": {"labels": {"env": "prod"}}}
    assert client.post(f"{API}replays/preview/", body, format="json").json()["total"] == 1
    made = client.post(f"{API}replays/", body, format="json").json()
    assert made["filter"] == {"labels": {"env": "prod"}}
    replays.run_slices()
    assert [Delivery.objects.get(pk=it.pk).state for it in dead] == ["pending", "dead"]


def test_cancellation_selects_by_labels(client: APIClient, prod: Endpoint, dev: Endpoint) -> None:
    event = make_event(prod.tenant)
    kept, cancelled = make_delivery(event, dev), make_delivery(event, prod)
    body = {"filter": {"labels": {"env": "prod"}}}
    assert client.post(f"{API}deliveries/cancel/", body, format="json").json()["total"] == 1
    assert [Delivery.objects.get(pk=it.pk).state for it in (kept, cancelled)] == ["pending", "cancelled"]


def test_malformed_labels_of_a_filter_are_a_400(client: APIClient) -> None:
    for filter in ({"labels": "env:prod"}, {"labels": {"env": 1}}):
        response = client.post(f"{API}replays/preview/", {"filter": filter}, format="json")
        assert invalid_fields(response) == ["filter.labels"]


class TestSubscriptionByLabels:
    @pytest.fixture
    def subscription(self, client: APIClient) -> dict[str, Any]:
        body = {"endpoint_labels": {"env": "prod"}, "event_types": ["order.*"]}
        made = client.post(f"{API}subscriptions/", body, format="json")
        assert made.status_code == 201, made.content
        return dict(made.json())

    def sent_to(self, tenant: Tenant) -> set[str | None]:
        (result,) = publish(tenant, [{"type": "order.paid"}])
        return set(Delivery.objects.filter(event=result.key).values_list("endpoint__uid", flat=True))

    def test_it_sends_to_all_endpoints_with_the_labels_now_and_later(
        self, tenant: Tenant, prod: Endpoint, dev: Endpoint, subscription: dict[str, Any]
    ) -> None:
        assert subscription["endpoint"] is None
        assert self.sent_to(tenant) == {"prod"}
        make_endpoint(tenant, uid="second", labels={"env": "prod"})
        assert self.sent_to(tenant) == {"prod", "second"}
        Endpoint.objects.filter(pk=prod.pk).update(labels={})
        Endpoint.objects.filter(pk=dev.pk).update(labels={"env": "prod"})
        assert self.sent_to(tenant) == {"dev", "second"}

    def test_endpoint_of_another_tenant_receives_nothing(self, tenant: Tenant, subscription: dict[str, Any]) -> None:
        make_endpoint(uid="foreign", labels={"env": "prod"})
        assert self.sent_to(tenant) == set()

    def test_endpoint_that_is_named_too_has_one_delivery(
        self, tenant: Tenant, prod: Endpoint, subscription: dict[str, Any]
    ) -> None:
        make_subscription(prod)
        (result,) = publish(tenant, [{"type": "order.paid"}])
        assert result.deliveries == 1

    def test_many_endpoints_have_a_delivery_each(self, tenant: Tenant, subscription: dict[str, Any]) -> None:
        for _ in range(30):
            make_endpoint(tenant, labels={"env": "prod"})
        (result,) = publish(tenant, [{"type": "order.paid"}])
        assert result.deliveries == 30

    def test_it_is_listed_for_the_endpoints_that_it_selects(
        self, client: APIClient, prod: Endpoint, dev: Endpoint, subscription: dict[str, Any]
    ) -> None:
        assert ids(client.get(f"{API}subscriptions/?endpoint=prod")) == [subscription["id"]]
        assert ids(client.get(f"{API}subscriptions/?endpoint=dev")) == []

    def test_explanation_names_it(
        self, client: APIClient, tenant: Tenant, prod: Endpoint, dev: Endpoint, subscription: dict[str, Any]
    ) -> None:
        event = make_event(tenant, type="invoice.paid")
        explained = client.get(f"{API}events/{event.public_id}/explain/").json()["data"]
        codes = {it["endpoint"]: [reason["code"] for reason in it["reasons"]] for it in explained}
        assert codes == {prod.public_id: ["type"], dev.public_id: ["no_subscription"]}

    def test_change_to_one_endpoint_and_back(
        self, client: APIClient, prod: Endpoint, subscription: dict[str, Any]
    ) -> None:
        path = f"{API}subscriptions/{subscription['id']}/"
        named = client.patch(path, {"endpoint": "prod"}, format="json").json()
        assert (named["endpoint"], named["endpoint_labels"]) == (prod.public_id, None)
        labelled = client.patch(path, {"endpoint_labels": {}}, format="json").json()
        assert (labelled["endpoint"], labelled["endpoint_labels"]) == (None, {})

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "endpoint"),
            ({"endpoint": None, "endpoint_labels": None}, "endpoint"),
            ({"endpoint": "prod", "endpoint_labels": {"env": "prod"}}, "endpoint_labels"),
            ({"endpoint_labels": {"env": 1}}, "endpoint_labels"),
        ],
    )
    def test_neither_and_both_are_a_400(self, client: APIClient, prod: Endpoint, body: Any, field: str) -> None:
        assert invalid_fields(client.post(f"{API}subscriptions/", {"event_types": ["*"], **body}, format="json")) == [
            field
        ]

    def test_key_that_is_limited_to_an_endpoint_cannot_create_one(self, tenant: Tenant, prod: Endpoint) -> None:
        key = make_client(tenant).post(f"{API}keys/", {"scopes": ["manage"], "endpoint": "prod"}, format="json").json()
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {key['key']}")
        body = {"endpoint_labels": {"env": "prod"}, "event_types": ["*"]}
        assert invalid_fields(client.post(f"{API}subscriptions/", body, format="json")) == ["endpoint_labels"]
