"""Hide payloads in responses."""

from types import SimpleNamespace
from typing import Any

import pytest

from webhooks.kit.bodies.payloads import HIDDEN, hide_payloads, may_see_payloads, with_payloads


@pytest.mark.parametrize(
    ("content", "path", "hidden"),
    [
        ({"a": "x", "b": "y"}, "a", {"a": HIDDEN, "b": "y"}),
        ({"a": {"b": "x"}}, "a.b", {"a": {"b": HIDDEN}}),
        ({"a": [{"b": "x"}, {"b": ""}]}, "a.b", {"a": [{"b": HIDDEN}, {"b": ""}]}),
        ({"data": [{"a": "x"}], "next": None}, "a", {"data": [{"a": HIDDEN}], "next": None}),
        ({"a": [1], "b": 1}, "a", {"a": [], "b": 1}),
        ({"a": {"b": "x"}}, "a", {"a": {}}),
        ({"a": 5}, "a", {"a": None}),
        ({"a": None}, "a", {"a": None}),
        ({"a": None}, "a.b", {"a": None}),
        ({"b": "y"}, "a", {"b": "y"}),
        ({"a": "x", "b": "y"}, "a?b=y", {"a": HIDDEN, "b": "y"}),
        ({"a": "x", "b": "z"}, "a?b=y", {"a": "x", "b": "z"}),
        ({"a": "x"}, "a?b=y", {"a": "x"}),
        ({"c": [{"a": "x", "b": "y"}, {"a": "x"}]}, "c.a?b=y", {"c": [{"a": HIDDEN, "b": "y"}, {"a": "x"}]}),
        (None, "a", None),
    ],
)
def test_hidden_field_keeps_the_form_of_the_response(content: Any, path: str, hidden: Any) -> None:
    hide_payloads(content, [path])
    assert content == hidden


@pytest.mark.parametrize(
    ("row", "path", "has"),
    [
        ({"a": "x"}, "a", True),
        ({"a": ""}, "a", False),
        ({"a": [{"b": ""}, {"b": "x"}]}, "a.b", True),
        ({"a": "x", "b": "y"}, "a?b=y", True),
        ({"a": "x", "b": "z"}, "a?b=y", False),
        ({"a": "", "b": "y"}, "a?b=y", False),
    ],
)
def test_row_with_a_payload_is_found(row: Any, path: str, has: bool) -> None:
    assert with_payloads({"data": [row]}, [path]) == ([row] if has else [])


@pytest.mark.parametrize(
    ("auth", "sees"),
    [
        (None, True),
        (SimpleNamespace(tenant_id=None), True),
        (SimpleNamespace(may=lambda permission: permission == "delivery.view_payload"), True),
        (SimpleNamespace(may=lambda permission: permission == "webhooks.view_payload"), False),
    ],
)
def test_caller_with_a_role_sees_payloads_if_the_role_may(auth: Any, sees: bool) -> None:
    assert may_see_payloads(SimpleNamespace(auth=auth), "delivery") is sees  # type: ignore[arg-type]
