"""Check the sizes of an event's attributes, and that extensions keep their type when they are published in process."""

from typing import Any

import orjson
import pytest

from delivery.models import Event
from delivery.publishing.prepare import MAX_ATTRIBUTES_BYTES, MAX_EXTENSION_BYTES, prepare
from delivery.publishing.publisher import publish
from delivery.publishing.results import InvalidMembers
from tests.factories import make_tenant
from webhooks.wire.errors import InvalidEvent

pytestmark = pytest.mark.django_db


def refused(**attributes: Any) -> tuple[str, str]:
    with pytest.raises(InvalidEvent) as caught:
        prepare(make_tenant(), {"type": "order.paid", "extensions": attributes}, 2**20)
    return caught.value.attribute, caught.value.reason


def test_extension_beyond_its_limit_is_refused_by_name() -> None:
    assert refused(comment="x" * (MAX_EXTENSION_BYTES + 1)) == ("comment", "must not be longer than 4096 bytes")
    assert refused(comment="é" * (MAX_EXTENSION_BYTES // 2 + 1))[0] == "comment"
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
    with pytest.raises(InvalidMembers) as caught:
        prepare(make_tenant(), event, 2**20)
    assert caught.value.reasons.keys() == reasons.keys()
    assert all(part in caught.value.reasons[name] for name, part in reasons.items())


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
