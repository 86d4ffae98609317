"""What may be asked of the list of subscriptions."""

import pytest

from tests.factories import make_client, make_endpoint, make_subscription, make_tenant

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("event_type", "wanted"),
    [
        ("order.paid", {"exact", "family", "all"}),
        ("order.sent", {"family", "all"}),
        ("user.left", {"all"}),
        ("waypost.endpoint.failing", set()),
    ],
)
def test_those_that_want_events_of_a_type(event_type, wanted):
    tenant = make_tenant()
    endpoint = make_endpoint(tenant)
    for name, types in (("exact", ["x", "order.paid"]), ("family", ["order.*"]), ("all", ["*"])):
        make_subscription(endpoint, event_types=types, description=name)
    answer = make_client(tenant).get("/api/v1/subscriptions/", {"event_type": event_type})
    assert {it["description"] for it in answer.json()["data"]} == wanted


def test_a_type_that_is_too_long_is_refused():
    answer = make_client(make_tenant()).get("/api/v1/subscriptions/", {"event_type": "x" * 300})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "event_type")
