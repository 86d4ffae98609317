"""Test receipts as events of the CloudEvents SDK, and its events as messages in each content mode."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.v1.event import CloudEvent

from tests.factories_receiver import make_receipt, make_source
from tests.webhooks.wire.envelopes import samples
from webhooks.cloudevents import Mode, events_of, message_of
from webhooks.models import Receipt
from webhooks.processing.handlers import handles
from webhooks.testing import run_handlers, send_events
from webhooks.wire.errors import UnopenedEnvelope

TIME = datetime(2018, 4, 5, 17, 31, tzinfo=UTC)


def event(number: int = 1, data: Any = None, **attributes: Any) -> CloudEvent:
    core = {"id": str(number), "source": "/shop", "type": "order.paid", "time": TIME, "subject": "Grüße 😀%"}
    return CloudEvent({**core, "comexample": "a b", **attributes}, data)


DATA = {
    "json": event(data={"total": "1.10", "name": "ä"}, datacontenttype="application/json"),
    "text": event(data="Grüße", datacontenttype="text/plain"),
    "bytes": event(data=b"\x89PNG\x00\xff", datacontenttype="image/png"),
    "without data": event(),
}


@pytest.mark.django_db
@pytest.mark.usefixtures("receiver", "rules")
class TestRoundTrip:
    @pytest.mark.parametrize("name", DATA)
    @pytest.mark.parametrize("mode", ["structured", "binary", "batch"])
    def test_event_that_the_sdk_sends_is_the_event_that_a_handler_reads(self, name: str, mode: Mode) -> None:
        seen: list[CloudEvent] = []
        handles(pattern={"type": ["order.paid"]})(lambda receipt: seen.extend(events_of(receipt)))
        assert send_events(make_source(), [DATA[name]], mode).status_code == 202
        assert run_handlers() == 1
        (read,) = seen
        assert read.get_attributes() == DATA[name].get_attributes()
        assert read.get_data() == DATA[name].get_data()

    def test_each_event_of_a_batch_is_read(self) -> None:
        send_events(make_source(), [event(1), event(2), event(3)], "batch")
        assert [it.get_id() for it in events_of(Receipt.objects.get())] == ["1", "2", "3"]


@pytest.mark.parametrize(("mode", "count"), [("structured", 0), ("structured", 2), ("binary", 2)])
def test_message_in_a_mode_of_one_event_with_another_number_is_rejected(mode: Mode, count: int) -> None:
    with pytest.raises(ValueError, match="batch"):
        message_of([event()] * count, mode)


@pytest.mark.django_db
class TestEventsOf:
    def test_message_in_an_envelope_is_its_event(self) -> None:
        (read,) = events_of(make_receipt(make_source(), body=json.dumps(samples.EVENTBRIDGE).encode()))
        assert (read.get_type(), read.get_source()) == (samples.EVENTBRIDGE["detail-type"], "aws.ec2")
        assert read.get_data() == samples.EVENTBRIDGE["detail"]

    def test_message_without_an_envelope_is_the_data_of_an_event_with_the_time_of_the_receipt(self) -> None:
        source = make_source()
        receipt = make_receipt(source, body=b'{"total":3}', content_type="application/json", message_id="m1")
        (read,) = events_of(receipt)
        assert (read.get_id(), read.get_source()) == ("m1", f"urn:waypost:{source.public_id}")
        assert (read.get_time(), read.get_data()) == (receipt.received_at, {"total": 3})

    def test_message_without_the_envelope_that_its_source_names_is_an_error(self) -> None:
        receipt = make_receipt(make_source(envelope="sns"), body=b"{}")
        with pytest.raises(UnopenedEnvelope):
            events_of(receipt)
