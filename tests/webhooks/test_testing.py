"""Test sending signed messages in the tests of a project."""

import pytest

from tests.factories_receiver import make_source
from webhooks.models import Receipt
from webhooks.processing.handlers import handles
from webhooks.schemes import SCHEMES
from webhooks.sources.sources import create_source
from webhooks.testing import run_handlers, send, signed_message
from webhooks.wire.errors import SenderKeyRequired

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

SECRETS = {"none": None, "standard": "whsec_" + "A" * 32, "basic": "user:password"}


@pytest.mark.parametrize("scheme", ["standard", "stripe", "github", "slack", "shopify", "hmac", "basic", "none"])
def test_message_to_a_source_of_each_scheme_is_stored_and_handled(scheme: str) -> None:
    assert scheme in SCHEMES
    seen = []
    handles()(lambda receipt: seen.append(receipt.json()))
    source = make_source(scheme=scheme, secret=SECRETS.get(scheme, "a secret of the sender"))
    response = send(source, {"type": "order.paid", "data": {"number": "A-1"}})
    assert (response.status_code, run_handlers()) == (202, 1)
    assert seen == [{"type": "order.paid", "data": {"number": "A-1"}}]


def test_source_that_python_creates_without_a_secret_has_a_generated_one() -> None:
    source = create_source(uid="payments", scheme="standard")
    assert (source.secrets.count(), send(source, b"{}").status_code) == (1, 202)
    assert create_source(uid="github", scheme="github").secrets.count() == 0


def test_message_with_the_same_id_is_a_duplicate() -> None:
    source = make_source()
    assert [send(source, b"{}", message_id="m1").status_code for _ in range(2)] == [202, 200]
    assert Receipt.objects.get().message_id == "m1"


def test_sample_of_the_scheme_is_sent_without_a_body() -> None:
    message = signed_message(make_source(), event_type="order.paid")
    assert b'"order.paid"' in message.body


def test_scheme_whose_key_only_the_sender_has_is_an_error() -> None:
    with pytest.raises(SenderKeyRequired):
        signed_message(make_source(scheme="paypal", secret="8PT597110X687430LKGECATA"))
