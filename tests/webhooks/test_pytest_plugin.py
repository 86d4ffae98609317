"""Test the fixture for the tests of projects."""

import pytest

from tests.factories_receiver import make_source
from webhooks.models import Receipt
from webhooks.processing.handlers import handles
from webhooks.pytest_plugin import Receive
from webhooks.pytest_plugin import receive as receive  # a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]


def test_message_is_verified_stored_and_handled(receive: Receive) -> None:
    seen = []
    handles()(lambda receipt: seen.append(receipt.json()))
    source = make_source(scheme="standard", secret="whsec_" + "A" * 32)
    assert receive(source, {"type": "order.paid"}).status_code == 202
    assert seen == [{"type": "order.paid"}]
    assert receive(source, {"type": "order.sent"}, handle=False).status_code == 202
    assert len(seen) == 1
    assert Receipt.objects.count() == 2
