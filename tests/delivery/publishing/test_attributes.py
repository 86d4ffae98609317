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
        prepare(make_tenant(), {"type": "order.paid", **attributes}, 2**20)
    return caught.value.attribute, caught.value.reason


def test_extension_beyond_its_limit_is_refused_by_name() -> None:
    assert refused(comment="x" * (MAX_EXTENSION_BYTES + 1)) == ("comment", "must not be longer than 4096 bytes")
    assert refused(comment="é" * (MAX_EXTENSION_BYTES // 2 + 1))[0] == "comment"
    prepare(make_tenant(), {"type": "order.paid", "comment": "x" * MAX_EXTENSION_BYTES}, 2**20)


def test_attributes_beyond_their_limit_together_are_refused() -> None:
    many = {f"ext{number}": "x" * MAX_EXTENSION_BYTES for number in range(MAX_ATTRIBUTES_BYTES // MAX_EXTENSION_BYTES)}
    assert refused(**many)[1].startswith("has attributes of more than 16384 bytes")


def test_extension_published_in_process_keeps_its_type() -> None:
    publish(make_tenant(), [{"type": "order.paid", "sequence": 7, "sampled": True, "data": {"n": 1}}])
    body = orjson.loads(bytes(Event.objects.get().body))
    assert (body["sequence"], body["sampled"]) == (7, True)
