"""Two subscriptions of one endpoint that would send one event with two bodies."""

from typing import Any

import pytest

from subscriptions.errors import StateConflict
from subscriptions.models import Endpoint
from subscriptions.routing.subscriptions import change_subscription, create_subscription
from tests.factories import make_endpoint, make_tenant

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
