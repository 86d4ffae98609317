"""Two subscriptions of one endpoint that would send one event with two bodies."""

from typing import Any

import pytest

from subscriptions.errors import StateConflict
from subscriptions.models import Endpoint
from subscriptions.registration import register_endpoint
from subscriptions.routing.subscriptions import change_subscription, create_subscription
from tests.factories import URL, make_client, make_endpoint, make_tenant

pytestmark = pytest.mark.django_db

ONE = {"input_paths": {}, "template": "one"}
OTHER = {"input_paths": {}, "template": "other"}
ABOVE, BELOW = ({"data": {"total": [{"numeric": [sign, 100]}]}} for sign in (">", "<="))


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint(make_tenant(), labels={"env": "prod"})


def create(endpoint: Endpoint, /, *event_types: str, **fields: Any) -> Any:
    given = {"endpoint": endpoint, "event_types": list(event_types), "transformer": ONE, **fields}
    return create_subscription(endpoint.tenant, given)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["order.paid"], ["order.paid"]),
        (["order.*"], ["order.paid"]),
        (["user.created", "order.paid"], ["order.*"]),
        (["*"], ["order.*"]),
        (["order.paid.*"], ["order.*"]),
    ],
)
@pytest.mark.parametrize("transformer", [OTHER, None])
def test_same_types_with_another_transformer_are_refused(
    endpoint: Endpoint, first: list[str], second: list[str], transformer: Any
) -> None:
    existing = create(endpoint, *first)
    with pytest.raises(StateConflict, match=existing.public_id) as refused:
        create(endpoint, *second, transformer=transformer)
    assert refused.value.field == "transformer"


@pytest.mark.parametrize(
    "fields",
    [
        {"transformer": ONE, "event_types": ["order.paid"]},
        {"event_types": ["invoice.*"]},
        {"event_types": ["orders"]},
        {"event_types": ["waypost.*"]},
        {"active": False},
        {"endpoint": None, "endpoint_labels": {"env": "dev"}},
    ],
    ids=["same transformer", "other types", "a longer name", "operational", "inactive", "labels of others"],
)
def test_subscriptions_without_a_common_event_or_with_the_same_body_are_allowed(
    endpoint: Endpoint, fields: dict[str, Any]
) -> None:
    create(endpoint, "order.*")
    given = {"event_types": ["order.*"], "transformer": OTHER, **fields}
    create(endpoint, *given.pop("event_types"), **given)


@pytest.mark.parametrize(("second", "is_refused"), [(BELOW, False), (ABOVE, True), (None, True)])
def test_patterns_that_differ_are_alternatives(endpoint: Endpoint, second: Any, is_refused: bool) -> None:
    create(endpoint, "order.paid", pattern=ABOVE)
    if not is_refused:
        create(endpoint, "order.paid", pattern=second, transformer=OTHER)
        return
    with pytest.raises(StateConflict):
        create(endpoint, "order.paid", pattern=second, transformer=OTHER)


def test_subscription_by_labels_conflicts_with_one_of_such_an_endpoint(endpoint: Endpoint) -> None:
    create(endpoint, "order.paid")
    by_labels = {"endpoint": None, "endpoint_labels": {"env": "prod"}, "transformer": OTHER}
    with pytest.raises(StateConflict):
        create(endpoint, "*", **by_labels)


def test_endpoint_subscription_conflicts_with_one_by_its_labels(endpoint: Endpoint) -> None:
    create(endpoint, "*", endpoint=None, endpoint_labels={"env": "prod"})
    with pytest.raises(StateConflict):
        create(endpoint, "order.paid", transformer=OTHER)


@pytest.mark.parametrize("change", [{"transformer": OTHER}, {"event_types": ["*"]}, {"active": True}])
def test_change_that_leads_to_two_bodies_is_refused_and_changes_nothing(
    endpoint: Endpoint, change: dict[str, Any]
) -> None:
    create(endpoint, "order.paid")
    fields = {"event_types": ["order.paid"], "transformer": OTHER, "active": True}
    if change == {"transformer": OTHER}:
        fields |= {"transformer": ONE, "event_types": ["order.paid", "order.lost"]}
    else:
        fields.update(
            {name: value for name, value in {"event_types": ["a"], "active": False}.items() if name in change}
        )
    row = create(endpoint, *fields["event_types"], **{name: fields[name] for name in ("transformer", "active")})
    with pytest.raises(StateConflict):
        change_subscription(row, change)
    row.refresh_from_db()
    assert (row.event_types, row.transformer, row.active) == tuple(fields.values())


class TestLabels:
    """Labels of an endpoint that give it two bodies of the same events."""

    def by_labels(self, endpoint: Endpoint, transformer: Any, **labels: str) -> Any:
        return create(endpoint, "order.*", endpoint=None, endpoint_labels=labels, transformer=transformer)

    def test_relabelled_endpoint_gets_no_second_body(self, endpoint: Endpoint) -> None:
        own = create(endpoint, "order.paid")
        other = self.by_labels(endpoint, OTHER, region="eu")
        client = make_client(endpoint.tenant)
        path = f"/api/v1/endpoints/{endpoint.public_id}/"
        refused = client.patch(path, {"labels": {"region": "eu"}})
        assert refused.status_code == 409
        (error,) = refused.json()["errors"]
        assert error["field"] == "labels"
        assert own.public_id in error["detail"]
        assert other.public_id in error["detail"]
        endpoint.refresh_from_db()
        assert endpoint.labels == {"env": "prod"}
        assert client.patch(path, {"labels": {"region": "us"}}).status_code == 200

    def test_new_endpoint_that_two_subscriptions_select_is_refused(self, endpoint: Endpoint) -> None:
        self.by_labels(endpoint, ONE, region="eu")
        self.by_labels(endpoint, OTHER, stage="test")
        client = make_client(endpoint.tenant)
        labels = {"region": "eu", "stage": "test"}
        refused = client.post("/api/v1/endpoints/", {"url": URL, "labels": labels})
        assert refused.status_code == 409
        assert client.post("/api/v1/endpoints/", {"url": URL, "labels": {"region": "eu"}}).status_code == 201
        with pytest.raises(StateConflict):
            register_endpoint(endpoint.tenant, URL, event_types=["user.*"], labels=labels)

    def test_subscription_that_selects_the_same_endpoint_by_other_labels_is_refused(self, endpoint: Endpoint) -> None:
        endpoint.labels = {"env": "prod", "region": "eu"}
        endpoint.save()
        existing = self.by_labels(endpoint, ONE, env="prod")
        with pytest.raises(StateConflict, match=existing.public_id):
            self.by_labels(endpoint, OTHER, region="eu")
        self.by_labels(endpoint, OTHER, region="us")

    def test_same_transformer_and_inactive_subscriptions_are_no_conflict(self, endpoint: Endpoint) -> None:
        create(endpoint, "order.paid")
        self.by_labels(endpoint, ONE, region="eu")
        inactive = self.by_labels(endpoint, OTHER, region="us")
        change_subscription(inactive, {"active": False})
        client = make_client(endpoint.tenant)
        path = f"/api/v1/endpoints/{endpoint.public_id}/"
        for region in ("eu", "us"):
            assert client.patch(path, {"labels": {"region": region}}).status_code == 200
