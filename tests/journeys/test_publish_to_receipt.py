"""Test an event from publishing to the receipt at another source, over HTTP."""

from delivery.models import Delivery, Event
from tests.factories import make_key
from tests.factories_receiver import SECRET, make_source
from tests.journeys.conftest import Workers
from tests.journeys.deliveries import subscribed_endpoint
from tests.waiting import wait_until
from webhooks.models import Receipt


def test_published_event_is_received_with_the_same_bytes(workers: Workers) -> None:
    """Provider and receiver are this platform: its web process is the tenant's server too."""
    source = make_source()
    endpoint = subscribed_endpoint(f"{workers.address}/in/{source.public_id}/", secret=SECRET, timeout_ms=15_000)
    key = make_key(endpoint.tenant)[1]
    workers.start("beat", "deliver", "web")
    response = workers.post("events/", key, {"type": "order.created", "data": {"name": "Łódź", "price": 10.50}})
    receipt = wait_until(lambda: Receipt.objects.first(), "the receipt")
    event = Event.objects.get()
    assert receipt.body is not None
    assert bytes(receipt.body) == bytes(event.body)
    assert (receipt.source_id, receipt.message_id, receipt.event_type) == (source.id, event.public_id, "order.created")
    assert event.public_id in str(response)
    wait_until(lambda: Delivery.objects.get().state == "delivered", "the settlement")
    assert Receipt.objects.count() == 1
