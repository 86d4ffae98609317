"""Check the explanations of mismatches."""

from typing import Any

import pytest

from webhooks.wire.patterns import Pattern, PatternMismatch

EVENT: dict[str, Any] = {
    "type": "order.created",
    "data": {"total": 80, "tags": ["a", "b"], "lines": [{"sku": "x", "qty": 1}, {"sku": "y", "qty": 2}]},
}


def explained(pattern: dict[str, Any], event: Any = EVENT) -> list[PatternMismatch]:
    return Pattern(pattern).explain(event)


def test_explain_of_a_match_is_empty() -> None:
    assert explained({"type": ["order.created"]}) == []


def test_explain_names_every_failing_field_with_expected_and_found_values() -> None:
    pattern = {"type": ["order.paid"], "data": {"total": [{"numeric": [">", 100]}], "tags": ["a"]}}
    assert explained(pattern) == [
        PatternMismatch("type", ("order.paid",), ("order.created",), "the event has another value here"),
        PatternMismatch("data.total", ({"numeric": [">", 100]},), (80,), "the event has another value here"),
    ]


@pytest.mark.parametrize(
    ("pattern", "path", "found", "reason"),
    [
        ({"subject": ["x"]}, "subject", (), "the event has no value here"),
        ({"data": {"lines": ["x"]}}, "data.lines", (), "the event has no value here"),
        ({"data": {"tags": ["c"]}}, "data.tags", ("a", "b"), "none of the event's values is accepted"),
        ({"data.lines.qty": [3]}, "data.lines.qty", (1, 2), "none of the event's values is accepted"),
        (
            {"type": [{"exists": False}]},
            "type",
            ("order.created",),
            "the event has a value here, which must be absent",
        ),
    ],
    ids=ascii,
)
def test_explain_gives_the_reason_of_a_mismatch(
    pattern: dict[str, Any], path: str, found: tuple[Any, ...], reason: str
) -> None:
    (mismatch,) = explained(pattern)
    assert (mismatch.path, mismatch.found, mismatch.reason) == (path, found, reason)


def test_explain_reports_values_in_different_elements_as_one_mismatch() -> None:
    (mismatch,) = explained({"type": ["order.created"], "data": {"lines": {"sku": ["x"], "qty": [2]}}})
    assert mismatch.path == "data.lines"
    assert mismatch.reason == ("no single element of an array here satisfies all of data.lines.sku, data.lines.qty")


def test_explain_describes_the_branch_with_the_fewest_mismatches() -> None:
    near = {"data": {"total": [90], "tags": ["a"]}}
    far = {"data": {"total": [90], "tags": ["c"]}}
    assert [mismatch.path for mismatch in explained({"$or": [far, near]})] == ["data.total"]


def test_explain_finds_values_under_dotted_names() -> None:
    (mismatch,) = explained({"data": {"a": {"b": [1]}}}, {"data.a": {"b": 2}, "data": {"a.b": [3]}})
    assert sorted(mismatch.found) == [2, 3]


def test_explain_shows_at_most_ten_values() -> None:
    (mismatch,) = explained({"a": ["x"]}, {"a": list(range(1_000))})
    assert mismatch.found == tuple(range(10))


@pytest.mark.parametrize("event", [None, [], "text", 5])
def test_explain_rejects_an_event_that_is_no_object(event: Any) -> None:
    assert [mismatch.reason for mismatch in explained({"a": ["x"]}, event)] == ["an event is an object"]
