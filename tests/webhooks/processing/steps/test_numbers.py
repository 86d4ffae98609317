"""Numbers and nesting that JSON allows and a library does not write, on their way through the steps of a handler."""

from typing import Any

import orjson
import pytest

from delivery.models import Event
from subscriptions.models import Tenant
from tests.factories_receiver import make_receipt, make_source
from tests.receiver import Receiver, status
from webhooks.models import Receipt
from webhooks.processing.process import process_due

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

LONG = b"123456789012345678901234567890"
EXACT = b"0.10000000000000000555"


def processed(tenant: Tenant, body: bytes, **handler: Any) -> Receipt:
    source = make_source(tenant_id=tenant.pk, handlers=[{"handler": "publish", **handler}])
    receipt = make_receipt(source, body=body, event_type="order.placed")
    process_due()
    receipt.refresh_from_db()
    return receipt


@pytest.mark.parametrize("number", [LONG, b"-9223372036854775809", EXACT, b"1e400", b"18446744073709551615"])
@pytest.mark.parametrize("beside", [b"", b', "nan": NaN'])
def test_enrichment_gets_each_number_as_it_was_sent(
    tenant: Tenant,
    crm: Receiver,
    number: bytes,
    beside: bytes,
) -> None:
    crm.script("/", status(200, b"{}", content_type="application/json"))
    receipt = processed(tenant, b'{"n": ' + number + beside + b"}", enrich={"url": crm.url("/")})
    assert (receipt.state, receipt.last_error) == ("processed", "")
    assert b'"data":{"n":' + number in crm.arrivals[0].body


@pytest.mark.parametrize("number", [LONG, EXACT])
@pytest.mark.parametrize("body", [{"body": '{"n": <$.body.n>}'}, {"jsonata": "{'n': $string(body.n)}"}])
def test_template_and_expression_of_the_call_read_it(
    tenant: Tenant,
    crm: Receiver,
    number: bytes,
    body: Any,
) -> None:
    crm.script("/", status(200, b"{}", content_type="application/json"))
    receipt = processed(tenant, b'{"n": ' + number + b"}", enrich={"url": crm.url("/"), **body})
    assert (receipt.state, receipt.last_error) == ("processed", "")


@pytest.mark.parametrize("number", [LONG, EXACT])
def test_number_of_a_response_is_published_as_it_was_sent(tenant: Tenant, crm: Receiver, number: bytes) -> None:
    crm.script("/", status(200, b'{"n": ' + number + b"}", content_type="application/json"))
    assert processed(tenant, b"{}", enrich={"url": crm.url("/")}).state == "processed"
    assert b'"data":{"n":' + number + b"}" in bytes(Event.objects.get().body)


@pytest.mark.parametrize("more", [{}, {"jsonata": "body"}])
def test_message_that_is_nested_too_deeply_is_a_failure_that_says_so(
    tenant: Tenant,
    crm: Receiver,
    more: Any,
) -> None:
    receipt = processed(tenant, b"[" * 400 + b"]" * 400, enrich={"url": crm.url("/"), **more})
    assert receipt.state == "pending"
    assert "EnrichmentFailed: no request: the event is nested too deeply" in receipt.last_error
    assert crm.arrivals == []
    orjson.dumps(receipt.history)
