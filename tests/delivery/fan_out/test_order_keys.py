"""Keys of deliveries: by attribute, by a path into the event, and none."""

from typing import Any

import pytest

from delivery.fan_out.order_keys import order_key
from webhooks.wire.cloudevents.event import Event

ATTRIBUTES = {"id": "1", "source": "/shop", "type": "order.paid", "subject": "s7"}


def key(ordering: str, latest_only: str | None, data: Any = None, **attributes: str) -> str | None:
    event = Event.of({**ATTRIBUTES, **attributes}, data)
    return order_key(ordering, latest_only, event, event.document)


def test_endpoint_without_order_has_no_keys() -> None:
    assert key("", None) is None


@pytest.mark.parametrize(("ordering", "expected"), [("endpoint", ""), ("subject", "s7"), ("partitionkey", "")])
def test_ordering_names_the_attribute_and_events_without_it_share_a_key(ordering: str, expected: str) -> None:
    assert key(ordering, None) == key(ordering, ordering) == expected


@pytest.mark.parametrize(("latest_only", "expected"), [("endpoint", ""), ("subject", "s7"), ("partitionkey", None)])
def test_latest_only_names_the_attribute_and_events_without_it_have_no_key(
    latest_only: str, expected: str | None
) -> None:
    assert key("", latest_only) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"order": {"id": "o1"}}, "o1"),
        ({"order": {"id": 7}}, "7"),
        ({"order": {"id": {"b": 1, "a": 2}}}, '{"a":2,"b":1}'),
        ({"order": {"id": None}}, None),
        ({"order": {}}, None),
        ("text", None),
    ],
)
def test_path_leads_to_the_value(data: Any, expected: str | None) -> None:
    assert key("", "$.data.order.id", data) == expected


def test_path_leads_to_attributes_too() -> None:
    assert key("", "$.type") == "order.paid"


@pytest.mark.parametrize("value", ["x" * 600, "a\0b"])
def test_value_that_an_index_cannot_hold_is_hashed(value: str) -> None:
    found = key("", "$.data.id", {"id": value})
    assert found is not None
    assert found.startswith("sha256:")
    assert found != key("", "$.data.id", {"id": value + "y"})
