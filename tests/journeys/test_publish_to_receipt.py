"""From one side's API to the other side's records, over the wire, in the same bytes."""

from delivery.models import Delivery, Event
from tests.factories import make_key
from tests.factories_receiver import SECRET, make_source
from tests.journeys.conftest import Crew
from tests.journeys.owed import subscribed
from tests.waiting import wait_until
from webhooks.models import Receipt


def test_what_is_published_here_is_kept_there_in_the_same_bytes(crew: Crew) -> None:
    """Both sides are this platform: its web is the customer's server too."""
    source = make_source()
    endpoint = subscribed(f"{crew.address}/in/{source.public_id}/", secret=SECRET, timeout_ms=15_000)
    key = make_key(endpoint.tenant)[1]
    crew.start("beat", "deliver", "web")
    answer = crew.post("events/", key, {"type": "order.created", "data": {"name": "Łódź", "price": 10.50}})
    receipt = wait_until(lambda: Receipt.objects.first(), "the receipt")
    event = Event.objects.get()
    assert receipt.body is not None
    assert bytes(receipt.body) == bytes(event.body)
    assert (receipt.source_id, receipt.message_id, receipt.event_type) == (source.id, event.public_id, "order.created")
    assert event.public_id in str(answer)
    wait_until(lambda: Delivery.objects.get().state == "delivered", "the settlement")
    assert Receipt.objects.count() == 1
