"""Test the fixtures for the tests of projects."""

import pytest

from delivery.publishing import publish
from delivery.pytest_plugin import PublishedEvents
from tests.factories import make_endpoint, make_subscription, make_tenant

pytestmark = pytest.mark.django_db


def test_one_event_is_found_by_type_data_tenant_and_endpoint() -> None:
    endpoint = make_endpoint()
    make_subscription(endpoint, event_types=["order.*"])
    publish(endpoint.tenant, [{"type": "order.paid", "data": {"number": "before"}}])
    published = PublishedEvents()
    publish(endpoint.tenant, [{"type": "order.paid", "data": {"number": "A-1"}}])
    publish(make_tenant(), [{"type": "order.sent"}])
    found = published.assert_one("order.paid", data={"number": "A-1"}, tenant=endpoint.tenant, to=endpoint.address)
    assert found.endpoints == [endpoint.address]
    assert not published.of("order.refunded")
    assert not published.of("order.sent", tenant=endpoint.tenant)


def test_failure_says_what_was_published() -> None:
    published = PublishedEvents()
    with pytest.raises(AssertionError, match=r"0 events order\.paid; published:\n  nothing"):
        published.assert_one("order.paid")
    publish(make_tenant(), [{"type": "order.sent", "data": 1}])
    with pytest.raises(AssertionError, match=r"0 events order.paid to x; published:\n  order.sent 1 to \[\]"):
        published.assert_one("order.paid", to="x")
    with pytest.raises(AssertionError, match=r"data of order\.sent: 1, not 2"):
        published.assert_one("order.sent", data=2)
