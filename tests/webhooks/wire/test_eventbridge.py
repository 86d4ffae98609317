"""Check that EventBridge names are translated into CloudEvents names, and no others."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.errors import InvalidEvent
from webhooks.wire.eventbridge import (
    event_from_eventbridge,
    is_eventbridge,
    path_from_eventbridge,
    pattern_from_eventbridge,
    plain_from_eventbridge,
)
from webhooks.wire.patterns import InvalidPattern, Pattern

EVENT = {"id": "1", "source": "aws.ec2", "detail-type": "Change", "detail": {"state": "up", "detail-type": "x"}}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"source": ["a"]}, {"source": ["a"]}),
        ({"detail-type": ["a"], "detail": {"x": [1]}}, {"type": ["a"], "data": {"x": [1]}}),
        ({"detail.x": [1]}, {"data.x": [1]}),
        ({"detail": ["mine"]}, {"detail": ["mine"]}),
        ({"detail": {"detail": {"detail-type": [1]}}}, {"data": {"detail": {"detail-type": [1]}}}),
        ({"detailed": ["a"]}, {"detailed": ["a"]}),
        ({"$or": [{"detail-type": ["a"]}, {"detail": {"x": [1]}}]}, {"$or": [{"type": ["a"]}, {"data": {"x": [1]}}]}),
        ({"detail": {"$or": [{"detail": [1]}, {"x": [2]}]}}, {"data": {"$or": [{"detail": [1]}, {"x": [2]}]}}),
    ],
    ids=ascii,
)
def test_pattern_from_eventbridge_renames_only_envelope_names(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    assert pattern_from_eventbridge(theirs) == ours


def test_pattern_from_eventbridge_rejects_a_field_under_both_names() -> None:
    with pytest.raises(InvalidPattern, match="/data: has both an EventBridge and a CloudEvents name"):
        pattern_from_eventbridge({"data": {"x": [1]}, "detail": {"y": [2]}})


def test_pattern_from_eventbridge_rejects_a_deeply_nested_pattern() -> None:
    pattern: dict[str, Any] = {"detail": ["x"]}
    for _ in range(100_000):
        pattern = {"$or": [pattern]}
    with pytest.raises(InvalidPattern, match="nested too deeply"):
        pattern_from_eventbridge(pattern)


@pytest.mark.parametrize("wrong", [{"$or": "x"}, {"$or": ["x", "y"]}, {"detail": 5}])
def test_pattern_from_eventbridge_keeps_an_invalid_pattern_invalid(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidPattern):
        Pattern(pattern_from_eventbridge(wrong))


def test_event_from_eventbridge_renames_only_top_level_names() -> None:
    renamed = {"id": "1", "source": "aws.ec2", "type": "Change", "data": {"state": "up", "detail-type": "x"}}
    assert event_from_eventbridge(EVENT) == renamed


values = st.sampled_from([["Change"], ["other"], [{"exists": False}], [{"prefix": "a"}]])


fields = dict.fromkeys(("source", "detail-type", "account", "detail.state"), values)
inside = st.dictionaries(st.sampled_from(["state", "detail-type", "x"]), values, min_size=1)


@given(st.fixed_dictionaries({}, optional={**fields, "detail": inside}).filter(bool))
def test_renamed_pattern_matches_the_renamed_event_like_the_originals(pattern: dict[str, Any]) -> None:
    renamed = Pattern(pattern_from_eventbridge(pattern))
    assert renamed.matches(event_from_eventbridge(EVENT)) is Pattern(pattern).matches(EVENT)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("$.detail", "$.data"),
        ("$.detail.detail[0]", "$.data.detail[0]"),
        ("$.detail[0]", "$.data[0]"),
        ("$.detail-type", "$.type"),
        ("$.detailed", "$.detailed"),
        ("$.detail-types", "$.detail-types"),
        ("$.x.detail", "$.x.detail"),
        ("$", "$"),
        ("$.source", "$.source"),
    ],
)
def test_path_from_eventbridge_renames_only_the_first_step(theirs: str, ours: str) -> None:
    assert path_from_eventbridge(theirs) == ours


NATIVE = {
    "version": "0",
    "id": "6a7e8feb",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "account": "111122223333",
    "time": "2017-12-22T18:43:48Z",
    "region": "us-west-1",
    "resources": ["arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0"],
    "detail": {"instance-id": "i-1234567890abcdef0", "state": "terminated"},
}
ENTRY = {
    "Source": "my.shop",
    "DetailType": "order.paid",
    "Detail": '{"total": 42}',
    "Resources": ["a", "b"],
    "EventBusName": "default",
}


def test_event_of_eventbridge_becomes_one_in_the_plain_form() -> None:
    plain = plain_from_eventbridge(NATIVE)
    assert (plain["type"], plain["data"], plain["source"]) == (NATIVE["detail-type"], NATIVE["detail"], "aws.ec2")
    assert (plain["resources"], plain["account"], "version" in plain) == (NATIVE["resources"][0], "111122223333", False)


def test_entry_of_putevents_becomes_one_in_the_plain_form() -> None:
    expected = {"source": "my.shop", "type": "order.paid", "data": b'{"total": 42}', "resources": "a,b"}
    assert plain_from_eventbridge(ENTRY) == expected
    assert plain_from_eventbridge({**ENTRY, "Time": 1_700_000_000})["time"] == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("member", "value"), [("Detail", "no JSON"), ("Detail", "[1]"), ("Detail", {}), ("Time", 1e300), ("Time", True)]
)
def test_member_of_an_entry_that_eventbridge_refuses_is_an_error_with_its_name(member: str, value: Any) -> None:
    with pytest.raises(InvalidEvent) as refused:
        plain_from_eventbridge({**ENTRY, member: value})
    assert refused.value.attribute == member


def test_event_with_a_type_has_not_the_names_of_eventbridge() -> None:
    assert not is_eventbridge({"type": "a.b", "detail-type": "x", "data": 1})
    assert is_eventbridge(NATIVE)
    assert is_eventbridge(ENTRY)
