"""Check that input paths support exactly the documented grammar."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.step_budget import UNLIMITED, BudgetExceeded, StepBudget
from webhooks.wire.transform import InvalidTransformer
from webhooks.wire.transform.paths import MAX_LENGTH, MISSING, InputPaths, parse_path

EVENT: dict[str, Any] = {
    "detail-type": "t",
    "a_b": {"c": {"1d": 5}},
    "data": {"rows": [{"x": 1, "y": [10]}, {"x": 2}, {"y": [20, 30]}], "none": None, "empty": [], "a/b": "slash"},
    "grid": [[1, 2], [3]],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", EVENT),
        ("$.detail-type", "t"),
        ("$.a_b.c", {"1d": 5}),
        ("$.a_b.c.1d", 5),
        ("$.data.a/b", "slash"),
        ("$.data.none", None),
        ("$.data.rows[1].x", 2),
        ("$.grid[0][1]", 2),
        ("$.data.rows[*].x", [1, 2]),
        ("$.data.rows.*.y", [[10], [20, 30]]),
        ("$.data.rows[*].y[*]", [10, 20, 30]),
        ("$.data.rows[*].z", []),
        ("$.data.rows[*].x[*]", []),
        ("$.a_b.*", [{"1d": 5}]),
        ("$.data.empty[*]", []),
        ("$.data.empty[*].x", []),
        ("$.grid[*][0]", [1, 3]),
        ("$.missing", MISSING),
        ("$.missing.deeper[0]", MISSING),
        ("$.missing[*]", MISSING),
        ("$.detail-type[*]", MISSING),
        ("$.data.rows.x", MISSING),
        ("$.data.rows[3]", MISSING),
        ("$.data[0]", MISSING),
        ("$.Data", MISSING),
    ],
)
def test_find_returns_the_value_at_the_path(path: str, found: Any) -> None:
    value = InputPaths({"p": parse_path(path, "/p")}).find(EVENT, UNLIMITED)["p"]
    assert value is MISSING if found is MISSING else value == found


@pytest.mark.parametrize(
    "path",
    [
        "", "data", "data.x", "@.x", "$x", "$.", "$..x", "$.x.", "$[x]", "$['x']", '$["x"]', "$.x[-1]", "$.x[0:2]",
        "$.x[0,1]", "$.x[?@.y]", "$.x[]", "$.x[", "$.x[1", "$.x y", " $.x", "$.x ", "$.x\n", "$.x[?(@.y==1)]",
        "$.x()", "$.*x", "$.**", "$.x[²]", "$." + "x" * MAX_LENGTH, None, 5,
    ],
    ids=lambda path: ascii(path)[:20],
)  # fmt: skip
def test_input_path_rejects_invalid_text(path: Any) -> None:
    with pytest.raises(InvalidTransformer) as caught:
        parse_path(path, "/input_paths/p")
    assert caught.value.path == "/input_paths/p"


# All paths together find what each finds by the rules, applied step by step.

names = st.sampled_from("ab")
values = st.recursive(
    st.sampled_from([1, "x", None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=2),
    max_leaves=12,
)
steps = st.lists(names | st.integers(0, 2) | st.none(), max_size=4)


def found_alone(path: list[Any], event: Any) -> Any:
    found, has_wildcard = [event], False
    for step in path:
        if step is None:
            containers = [each for each in found if isinstance(each, (dict, list))]
            if not containers and not has_wildcard:
                return MISSING
            has_wildcard = True
            found = [item for each in containers for item in (each.values() if isinstance(each, dict) else each)]
        elif isinstance(step, str):
            found = [each[step] for each in found if isinstance(each, dict) and step in each]
        else:
            found = [each[step] for each in found if isinstance(each, list) and step < len(each)]
    return found if has_wildcard else found[0] if found else MISSING


@given(st.lists(steps, max_size=6), values)
def test_find_with_many_paths_agrees_with_each_path_alone(paths: list[list[Any]], event: Any) -> None:
    found = InputPaths({str(number): tuple(path) for number, path in enumerate(paths)}).find(event, UNLIMITED)
    assert found == {str(number): found_alone(path, event) for number, path in enumerate(paths)}


def steps_of(count: int, event: Any) -> float:
    budget = StepBudget(10**9)
    InputPaths({str(number): parse_path(f"$[*].x{number}", "") for number in range(count)}).find(event, budget)
    return budget.spent


def test_steps_of_many_paths_do_not_grow_with_the_product_of_paths_and_event() -> None:
    assert steps_of(100, [{"y": 1}] * 10_000) < 3 * steps_of(1, [{"y": 1}] * 10_000)
    with pytest.raises(BudgetExceeded):
        InputPaths({"p": parse_path("$[*]", "")}).find([1] * 10_000, StepBudget(1_000))
