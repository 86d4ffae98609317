"""Masks change the values at their paths and nothing else, whatever the data."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import read_structured, write_structured
from webhooks.wire.masking import CannotMask, InvalidMask, MaskingKeys, Masks
from webhooks.wire.step_budget import BudgetExceeded, StepBudget

KEYS = MaskingKeys(b"h" * 32, b"e" * 32, "ep_1")
PERSON = {"email": "ada@example.com", "city": "Berlin", "tags": [{"iban": "DE1"}, {"iban": "DE2", "x": 1}]}


def event(data: Any = PERSON, **attributes: Any) -> Event:
    return Event.of({"id": "1", "source": "/", "type": "t", **attributes}, data)


def masked(data: Any, *rules: tuple[str, str], **attributes: Any) -> Any:
    masks = Masks([{"path": path, "action": action} for path, action in rules])
    return masks.apply(event(data, **attributes), lambda: KEYS).document()


@pytest.mark.parametrize(
    ("path", "action", "expected"),
    [
        ("$.data.email", "mask", {**PERSON, "email": "***"}),
        ("$.detail.email", "mask", {**PERSON, "email": "***"}),
        ("$.data.email", "remove", {"city": "Berlin", "tags": PERSON["tags"]}),
        ("$.data.tags[*].iban", "remove", {**PERSON, "tags": [{}, {"x": 1}]}),
        ("$.data.tags[1].iban", "mask", {**PERSON, "tags": [{"iban": "DE1"}, {"iban": "***", "x": 1}]}),
        ("$.data.tags[0]", "remove", {**PERSON, "tags": [{"iban": "DE2", "x": 1}]}),
        ("$.data.tags", "mask", {**PERSON, "tags": "***"}),
        ("$.data.*", "mask", {"email": "***", "city": "***", "tags": "***"}),
        ("$.data.nothing.here", "mask", PERSON),
        ("$.data.email.inner", "remove", PERSON),
        ("$.data", "mask", "***"),
    ],
)
def test_mask_changes_the_values_at_its_path_only(path: str, action: str, expected: Any) -> None:
    assert masked(PERSON, (path, action))["data"] == expected


def test_first_mask_of_a_value_applies_and_a_mask_of_an_object_covers_its_members() -> None:
    assert masked(PERSON, ("$.data.email", "mask"), ("$.data.*", "remove"))["data"] == {"email": "***"}
    assert masked(PERSON, ("$.data.tags[*].iban", "mask"), ("$.data.tags", "remove"))["data"] == {
        "email": "ada@example.com",
        "city": "Berlin",
    }


def test_equal_values_have_equal_hashes_and_others_have_not() -> None:
    hashes = [masked({"a": value}, ("$.data.a", "hash"))["data"]["a"] for value in ("x", "x", "y", 1, "1", {"b": 1})]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 5
    other = Masks([{"path": "$.data.a", "action": "hash"}]).apply(
        event({"a": "x"}), lambda: MaskingKeys(b"o" * 32, b"e" * 32, "k")
    )
    assert other.value["a"] != hashes[0]
    in_order, reordered = ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}})
    assert masked(in_order, ("$.data.a", "hash")) == masked(reordered, ("$.data.a", "hash"))


def test_attributes_are_removed_masked_and_hashed() -> None:
    document = masked(
        {}, ("$.subject", "hash"), ("$.owner", "remove"), ("$.count", "mask"), subject="ada", owner="bob", count=5
    )
    assert document["subject"].startswith("hmac-sha256:")
    assert "owner" not in document
    assert document["count"] == "***"


def test_masked_event_has_nothing_of_what_a_parser_drops() -> None:
    body = b'{"specversion":"1.0","id":"1","source":"/","type":"t","data":{"email":"secret","email":1.10,"n":1E2}}'
    found = Masks([{"path": "$.data.other", "action": "mask"}]).apply(read_structured(body), lambda: KEYS)
    assert found.data == b'{"email":1.10,"n":1E2}'


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream"])
def test_data_that_is_not_json_is_removed_as_a_whole_or_cannot_be_masked(content_type: str) -> None:
    plain = Event.with_bytes(
        {"specversion": "1.0", "id": "1", "source": "/", "type": "t", "datacontenttype": content_type}, b"x"
    )
    with pytest.raises(CannotMask):
        Masks([{"path": "$.data.email", "action": "mask"}]).apply(plain, lambda: KEYS)
    assert Masks([{"path": "$.data", "action": "remove"}]).apply(plain, lambda: KEYS).document() == {
        "specversion": "1.0",
        "id": "1",
        "source": "/",
        "type": "t",
    }


@pytest.mark.parametrize(
    ("masks", "at"),
    [
        ("x", ""),
        ([{"path": "$.data.a", "action": "mask"}] * 51, ""),
        (["$.data"], "/0"),
        ([{"path": "$.data.a"}], "/0"),
        ([{"path": "$.data.a", "action": "mask", "more": 1}], "/0"),
        ([{"path": "$.data.a", "action": "drop"}], "/0/action"),
        ([{"path": "$.data.a", "action": []}], "/0/action"),
        ([{"path": "$.data..a", "action": "mask"}], "/0/path"),
        ([{"path": "data.a", "action": "mask"}], "/0/path"),
        ([{"path": 1, "action": "mask"}], "/0/path"),
        ([{"path": "$", "action": "mask"}], "/0/path"),
        ([{"path": "$.*", "action": "mask"}], "/0/path"),
        ([{"path": "$.id", "action": "mask"}], "/0/path"),
        ([{"path": "$.datacontenttype", "action": "remove"}], "/0/path"),
        ([{"path": "$.subject.inner", "action": "mask"}], "/0/path"),
        ([{"path": "$.data.a", "action": "mask"}, {"path": "$.subject", "action": "encrypt"}], "/1/action"),
    ],
)
def test_invalid_mask_names_the_part_that_is_wrong(masks: Any, at: str) -> None:
    with pytest.raises(InvalidMask) as raised:
        Masks(masks)
    assert raised.value.path == at


def test_costly_masks_exceed_their_budget() -> None:
    masks = Masks([{"path": "$.data[*][*]", "action": "encrypt"}])
    with pytest.raises(BudgetExceeded):
        masks.apply(event([[1] * 1000] * 10), lambda: KEYS, StepBudget(10_000))


names = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)
steps = st.sampled_from([".a", ".b", ".c", ".*", "[0]", "[1]", "[*]"])
rules = st.tuples(
    st.lists(steps, max_size=4).map(lambda found: "$.data" + "".join(found)), st.sampled_from(["mask", "remove"])
)


@given(values, st.lists(rules, max_size=4))
def test_masks_agree_with_masking_value_by_value(data: Any, given_rules: list[tuple[str, str]]) -> None:
    """Compare with the definition: each value has the first rule that matches its path, and its members none."""

    def matches(path: list[Any], pattern: str) -> bool:
        wanted = [it for it in pattern.removeprefix("$.data").replace("[", ".[").split(".") if it]
        if len(wanted) != len(path):
            return False
        return all(
            it in ("*", "[*]") or (it == f"[{at}]" if isinstance(at, int) else it == at)
            for it, at in zip(wanted, path, strict=True)
        )

    removed = object()

    def expect(value: Any, path: list[Any]) -> Any:
        for pattern, action in given_rules:
            if matches(path, pattern):
                return removed if action == "remove" else "***"
        if isinstance(value, dict):
            members = {name: expect(it, [*path, name]) for name, it in value.items()}
            return {name: it for name, it in members.items() if it is not removed}
        if isinstance(value, list):
            return [it for at, inner in enumerate(value) if (it := expect(inner, [*path, at])) is not removed]
        return value

    before = json.dumps(data)
    found = masked(data, *given_rules)
    expected = expect(data, [])
    assert found.get("data", removed) == expected
    assert json.dumps(data) == before
    if expected is not removed:
        assert write_structured(read_structured(write_structured(event(expected)))) == write_structured(event(expected))
