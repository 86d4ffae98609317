"""Filters of the list of subscriptions."""

import pytest

from tests.factories import make_client, make_endpoint, make_subscription, make_tenant

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("event_type", "expected"),
    [
        ("order.paid", {"exact", "family", "all"}),
        ("order.sent", {"family", "all"}),
        ("user.left", {"all"}),
        ("waypost.endpoint.failing", set()),
    ],
)
def test_filter_by_event_type_lists_matching_subscriptions(event_type, expected):
    tenant = make_tenant()
    endpoint = make_endpoint(tenant)
    for name, types in (("exact", ["x", "order.paid"]), ("family", ["order.*"]), ("all", ["*"])):
        make_subscription(endpoint, event_types=types, description=name)
    response = make_client(tenant).get("/api/v1/subscriptions/", {"event_type": event_type})
    assert {it["description"] for it in response.json()["data"]} == expected


def test_event_type_filter_that_is_too_long_is_a_400():
    response = make_client(make_tenant()).get("/api/v1/subscriptions/", {"event_type": "x" * 300})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "event_type")
