"""Content types of bodies that transformers make."""

from typing import Any

import pytest

from delivery.models import Delivery
from delivery.publishing import publish
from delivery.sql.claim import claim_deliveries
from subscriptions.models import Endpoint
from tests.delivery.sql.factories import TOKEN, claim_request
from tests.factories import make_endpoint, make_subscription

pytestmark = pytest.mark.django_db(transaction=True)
EVENT = {"type": "order.paid", "subject": "A-1", "data": {"total": 5}}


def transformed(**transformer: Any) -> Endpoint:
    """Return an endpoint that has one delivery made by this transformer."""
    endpoint = make_endpoint()
    make_subscription(endpoint, transformer=transformer)
    publish(endpoint.tenant, [EVENT])
    return endpoint


def test_content_type_of_a_transformer_is_that_of_its_deliveries() -> None:
    endpoint = transformed(template="order,<$.data.total>", content_type="text/csv")
    (claimed,) = claim_deliveries(TOKEN, [claim_request(endpoint)])
    assert (claimed.body, claimed.content_type) == (b"order,5", "text/csv")


def test_transformer_without_a_content_type_leaves_it_to_the_body() -> None:
    transformed(template="order,<$.data.total>")
    assert Delivery.objects.get().content_type is None
