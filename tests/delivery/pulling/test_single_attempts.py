"""Tests and verification of endpoints whose messages are pulled: nothing is sent, and nothing is handed out."""

import pytest

from delivery.models import Delivery
from tests.delivery.pulling.factories import make_pulled
from tests.factories import make_client

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("body", [{}, {"dry_run": True}, {"type": "order.paid", "data": {"n": 1}}], ids=str)
def test_test_shows_the_message_and_hands_out_nothing(body: dict[str, object]) -> None:
    endpoint = make_pulled()
    client = make_client(endpoint.tenant)
    tested = client.post(f"/api/v1/endpoints/{endpoint.public_id}/test/", body)
    assert tested.status_code == 200, tested.content
    assert not Delivery.objects.exists()


def test_pulled_endpoint_has_nothing_to_verify() -> None:
    endpoint = make_pulled()
    answered = make_client(endpoint.tenant).post(f"/api/v1/endpoints/{endpoint.public_id}/verification/", {})
    assert answered.status_code == 409, answered.content
    assert answered.json()["errors"][0]["field"] == "type"
