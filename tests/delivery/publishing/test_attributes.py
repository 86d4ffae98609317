"""Check the sizes of an event's attributes, and that extensions keep their type when they are published in process."""

from typing import Any

import orjson
import pytest

from delivery.models import Event
from delivery.publishing.prepare import MAX_ATTRIBUTES_BYTES, MAX_EXTENSION_BYTES, prepare
from delivery.publishing.publisher import publish
from tests.factories import make_tenant
from webhooks.wire.errors import InvalidEvent

pytestmark = pytest.mark.django_db


def refused(**attributes: Any) -> tuple[str, str]:
    with pytest.raises(InvalidEvent) as caught:
        prepare(make_tenant(), {"type": "order.paid", "extensions": attributes}, 2**20)
    return caught.value.attribute, caught.value.reason


def test_extension_beyond_its_limit_is_refused_by_name() -> None:
    reason = "must not be longer than 4096 bytes"
    assert refused(comment="x" * (MAX_EXTENSION_BYTES + 1)) == ("extensions.comment", reason)
    assert refused(comment="é" * (MAX_EXTENSION_BYTES // 2 + 1))[0] == "extensions.comment"
    prepare(make_tenant(), {"type": "order.paid", "extensions": {"comment": "x" * MAX_EXTENSION_BYTES}}, 2**20)


def test_attributes_beyond_their_limit_together_are_refused() -> None:
    many = {f"ext{number}": "x" * MAX_EXTENSION_BYTES for number in range(MAX_ATTRIBUTES_BYTES // MAX_EXTENSION_BYTES)}
    assert refused(**many)[1].startswith("has attributes of more than 16384 bytes")


def test_extension_published_in_process_keeps_its_type() -> None:
    publish(make_tenant(), [{"type": "order.paid", "extensions": {"sequence": 7, "sampled": True}, "data": {"n": 1}}])
    body = orjson.loads(bytes(Event.objects.get().body))
    assert (body["sequence"], body["sampled"]) == (7, True)


@pytest.mark.parametrize(
    ("event", "reasons"),
    [
        ({"type": "t", "dat": 1}, {"dat": 'did you mean "data"?'}),
        (
            {"type": "t", "deliverat": "2030-01-01T00:00:00Z"},
            {"deliverat": 'did you mean "deliver_at"?'},
        ),
        ({"tpye": "t", "no such": 1}, {"tpye": 'did you mean "type"?', "no such": "extensions", "type": "is missing"}),
    ],
)
def test_unknown_members_are_all_named(event: dict[str, Any], reasons: dict[str, str]) -> None:
    with pytest.raises(InvalidEvent) as caught:
        prepare(make_tenant(), event, 2**20)
    assert caught.value.faults.keys() == reasons.keys()
    assert all(part in caught.value.faults[name].reason for name, part in reasons.items())


FAULTY = {
    "type": "waypost.x",
    "source": 5,
    "time": "yesterday",
    "subject": "",
    "dat": 1,
    "deliver_at": "tomorrow",
    "extensions": {"Part": 1, "list": [1], "type": "t", "fine": 1},
}
CODES = {
    "deliver_at": "invalid",
    "dat": "unknown",
    "type": "invalid",
    "source": "invalid",
    "time": "invalid",
    "subject": "invalid",
    "extensions.Part": "invalid",
    "extensions.list": "invalid",
    "extensions.type": "invalid",
}


def test_all_faults_of_an_event_are_named_at_once() -> None:
    with pytest.raises(InvalidEvent) as caught:
        prepare(make_tenant(), FAULTY, 2**20)
    assert {name: fault.code for name, fault in caught.value.faults.items()} == CODES


@pytest.mark.parametrize("name", ["dat", "deliver_at", "extensions", "source", "subject", "time", "type"])
def test_fault_is_named_whichever_is_found_first(name: str) -> None:
    """Without each of the members the remaining faults are the same."""
    event = {"type": "t", **{member: value for member, value in FAULTY.items() if member != name}}
    with pytest.raises(InvalidEvent) as caught:
        prepare(make_tenant(), event, 2**20)
    assert caught.value.faults.keys() == {it for it in CODES if it.partition(".")[0] != name}


@pytest.mark.parametrize(
    ("extensions", "field"),
    [
        ("x", "extensions"),
        (["x"], "extensions"),
        ({"type": "t"}, "extensions.type"),
        ({"data": 1}, "extensions.data"),
        ({"Part": "x"}, "extensions.Part"),
        ({5: "x"}, "extensions.5"),
    ],
)
def test_extensions_that_cannot_be_used_are_named(extensions: Any, field: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        prepare(make_tenant(), {"type": "order.paid", "extensions": extensions}, 2**20)
    assert caught.value.attribute == field
