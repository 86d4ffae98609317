"""Check paths that are written in a template itself, as EventBridge Pipes has them."""

from typing import Any

import pytest

from subscriptions.routing.compiled_patterns import compile_transformer
from webhooks.wire.transform import InvalidTransformer, Transformer

EVENT: dict[str, Any] = {"id": "1", "type": "t", "data": {"a": {"b": [{"c": 1}, {"c": "x"}]}, "n": 5}}


@pytest.mark.parametrize(
    ("template", "body"),
    [
        ('{"c": <$.data.a.b[*].c>}', '{"c": [1,"x"]}'),
        ('{"c": "<$.data.a.b[1].c>", "id": <$.id>}', '{"c": "x", "id": "1"}'),
        ("<$.data.a>", '{"b":[{"c":1},{"c":"x"}]}'),
        ("n is <$.data.n>, <$.data.none>.", "n is 5, ."),
        ("<$>", '{"id":"1","type":"t","data":{"a":{"b":[{"c":1},{"c":"x"}]},"n":5}}'),
    ],
)
def test_path_in_a_template_is_its_value(template: str, body: str) -> None:
    assert Transformer({}, template).render(EVENT).decode() == body


def test_path_beside_a_name_of_the_same_value() -> None:
    assert Transformer({"n": "$.data.n"}, "<n> <$.data.n> <n>").render(EVENT) == b"5 5 5"


@pytest.mark.parametrize("template", ["<$.a..b>", "<$a>", "<$.a[x]>", "<$.a[?(@.b)]>", "<$.a[-1]>"])
def test_path_in_a_template_that_cannot_be_parsed_is_refused(template: str) -> None:
    with pytest.raises(InvalidTransformer) as caught:
        Transformer({}, template)
    assert caught.value.path == "/template"


def test_templates_have_at_most_a_hundred_paths() -> None:
    with pytest.raises(InvalidTransformer, match="more than 100 paths"):
        Transformer({}, " ".join(f"<$.data.f{number}>" for number in range(101)))


@pytest.mark.parametrize("template", ['{"n": <$.detail.n>, "t": <$.detail-type>}', '{"n": <$.data.n>, "t": <$.type>}'])
def test_path_in_a_template_may_have_the_names_of_eventbridge(template: str) -> None:
    assert compile_transformer({"template": template}).render(EVENT) == b'{"n": 5, "t": "t"}'
