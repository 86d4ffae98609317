"""Events as JSON that cannot be read."""

import orjson
import pytest

from webhooks.wire.cloudevents.json_format import read_batch, read_structured
from webhooks.wire.errors import Fault, InvalidEvent

FAULTY = {"specversion": "1.0", "id": "", "source": "/a b", "time": "x", "Dat": 1, "traceparent": [1], "data": 1}
NAMES = {"id", "source", "time", "Dat", "traceparent", "type"}


def test_all_faults_of_an_event_are_named_at_once() -> None:
    with pytest.raises(InvalidEvent) as caught:
        read_structured(orjson.dumps(FAULTY))
    assert caught.value.faults.keys() == NAMES
    assert caught.value.faults["type"] == Fault("is missing", "required")


def test_faults_of_an_item_of_a_batch_have_its_position() -> None:
    good = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t"}
    _, error = read_batch(orjson.dumps([good, FAULTY]))
    assert isinstance(error, InvalidEvent)
    assert (error.index, error.faults.keys()) == (1, NAMES)


def test_single_fault_is_that_of_its_attribute() -> None:
    with pytest.raises(InvalidEvent) as caught:
        read_structured(orjson.dumps({"specversion": "1.0", "id": "1", "source": "/a"}))
    assert caught.value.faults == {"type": Fault("is missing", "required")}
