"""Test writing data of Python programs: as Django writes JSON, or an error that names the member."""

import json
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from delivery.publishing.event_data import write_data
from webhooks.wire.errors import InvalidEvent

DJANGO = [
    Decimal("1.10"),
    date(2030, 1, 31),
    time(12, 30),
    datetime(2030, 1, 31, 12, 30, 0, 123456, tzinfo=UTC),
    timedelta(minutes=90),
    uuid.UUID(int=7),
    gettext_lazy("Paid"),
    2**70,
    {1: "one", None: "none"},
    (1, 2),
]


@pytest.mark.parametrize("value", DJANGO, ids=lambda value: type(value).__name__)
def test_values_that_django_writes_as_json_are_written_as_django_writes_them(value: Any) -> None:
    data = {"total": value, "lines": [value]}
    assert json.loads(write_data(data)) == json.loads(json.dumps(data, cls=DjangoJSONEncoder))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
        lambda it: st.lists(it) | st.dictionaries(st.text(), it),
    )
)
def test_json_values_are_written_unchanged(value: Any) -> None:
    assert json.loads(write_data(value)) == value


@pytest.mark.parametrize(
    ("value", "member", "reason"),
    [
        (float("nan"), "data", "NaN"),
        ({"a": [1, {"b": float("inf")}], "c": None}, "data.a[1].b", "infinite"),
        ({"a": float("nan"), "c": Decimal(1)}, "data.a", "NaN"),
        (Decimal("NaN"), "data", "NaN"),
        ({"total": Decimal("1.10"), "lines": [1, Decimal("sNaN")]}, "data.lines[1]", "NaN"),
        ({"a": Decimal("Infinity")}, "data.a", "infinity"),
        ({"a": Decimal("-Infinity"), "b": float("inf")}, "data.a", "infinity"),
        ({float("nan"): 1}, "data.nan", "its name is of type float"),
        ({"a": [10**5000]}, "data.a[0]", "it has more than 4,300 digits"),
        ({"order": {"customer": object()}}, "data.order.customer", "it is of type object"),
        ({"tags": {"a", "b"}}, "data.tags", "it is of type set"),
        ({"image": b"\x89"}, "data.image", "it is of type bytes"),
        ({(1, 2): 3}, "data.(1, 2)", "its name is of type tuple"),
        ({"name": "\ud800"}, "data.name", "unpaired surrogate"),
    ],
)
def test_member_that_cannot_be_written_is_named(value: Any, member: str, reason: str) -> None:
    with pytest.raises(InvalidEvent) as failure:
        write_data(value)
    assert failure.value.attribute == member
    assert reason in failure.value.reason


def test_value_that_contains_itself_is_an_error() -> None:
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    with pytest.raises(InvalidEvent):
        write_data(loop)
