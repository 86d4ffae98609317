"""Test what a project's tests look at: the events that were published, and requests as an endpoint receives them."""

import json

import pytest
from standardwebhooks import Webhook

from delivery.publishing import publish
from delivery.testing import captured_events, signed_sample
from tests.factories import make_endpoint, make_subscription, make_tenant
from webhooks.wire.signing.keys import new_secret


@pytest.mark.django_db
def test_captured_events_are_those_of_the_block_in_order() -> None:
    endpoint = make_endpoint()
    make_subscription(endpoint, event_types=["order.paid"])
    publish(endpoint.tenant, [{"type": "order.paid", "data": {"number": "before"}}])
    with captured_events() as events:
        publish(endpoint.tenant, [{"type": "order.paid", "data": {"number": "A-1"}, "subject": "A-1"}])
        publish(make_tenant(), [{"type": "order.sent"}])
    assert [(it.type, it.data) for it in events] == [("order.paid", {"number": "A-1"}), ("order.sent", None)]
    assert (events[0].tenant, events[0].attributes["subject"]) == (endpoint.tenant, "A-1")
    assert [it.endpoints for it in events] == [[endpoint.address], []]


def test_signed_sample_is_verified_by_the_library_for_receivers() -> None:
    secret = new_secret()
    sample = signed_sample(secret, {"type": "order.paid", "data": {"total": 42}}, message_id="evt_1")
    verified = Webhook(secret).verify(sample.body, sample.headers)
    assert (verified["type"], verified["data"], sample.headers["webhook-id"]) == ("order.paid", {"total": 42}, "evt_1")
    assert "data" not in json.loads(signed_sample(secret, {"type": "order.paid"}).body)
