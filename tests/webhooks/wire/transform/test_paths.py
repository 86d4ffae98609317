"""Check that input paths support exactly the documented grammar."""

from typing import Any

import pytest

from webhooks.wire.transform import InvalidTransformer
from webhooks.wire.transform.paths import MAX_LENGTH, MISSING, InputPath

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
    value = InputPath(path, "/p").find(EVENT)
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
        InputPath(path, "/input_paths/p")
    assert caught.value.path == "/input_paths/p"
