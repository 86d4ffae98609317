"""Patterns and transformers as written by tenants, in the names of CloudEvents or EventBridge, compiled."""

from typing import Any
from uuid import uuid4

import pytest

from subscriptions.routing.compiled_patterns import LazyPattern, LazyTransformer, compile_pattern, compile_transformer
from webhooks.wire.patterns import BudgetExceeded, InvalidPattern, StepBudget
from webhooks.wire.transform import InvalidTransformer

EVENT = {"id": "1", "type": "EC2 Change", "source": "aws.ec2", "account": "42", "data": {"state": "up"}}


def test_eventbridge_rule_matches_the_cloudevent() -> None:
    rule = {"source": ["aws.ec2"], "detail-type": ["EC2 Change"], "account": ["42"], "detail": {"state": ["up"]}}
    assert compile_pattern(rule).matches(EVENT)
    assert not compile_pattern({**rule, "detail": {"state": ["down"]}}).matches(EVENT)


def test_eventbridge_names_are_translated_inside_or() -> None:
    assert compile_pattern({"$or": [{"detail-type": ["x"]}, {"detail.state": ["up"]}]}).matches(EVENT)


def test_eventbridge_paths_are_translated_in_a_transformer() -> None:
    written = {"input_paths": {"s": "$.detail.state", "t": "$.detail-type"}, "template": '{"s": <s>, "t": <t>}'}
    assert compile_transformer(written).render(EVENT) == b'{"s": "up", "t": "EC2 Change"}'


def test_extension_attribute_called_detail_can_be_matched() -> None:
    assert compile_pattern({"detail": ["mine"]}).matches({**EVENT, "detail": "mine"})


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ({"detail": {"x": [{"prefix": 5}]}}, "/detail/x/0/prefix"),
        ({"$or": [{"detail-type": "a"}, {"data": {"x": [1]}}]}, "/$or/0/detail-type"),
        ({"detail": {"x": [1]}, "data": {"y": []}}, "/data"),
    ],
    ids=ascii,
)
def test_error_path_is_in_the_names_as_written(written: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidPattern) as caught:
        compile_pattern(written)
    assert caught.value.path.startswith(path)


def test_error_in_an_input_path_names_the_path() -> None:
    with pytest.raises(InvalidTransformer) as caught:
        compile_transformer({"input_paths": {"s": "$.detail..x"}, "template": "<s>"})
    assert caught.value.path == "/input_paths/s"


def test_pattern_in_another_order_has_the_same_key() -> None:
    one = LazyPattern({"a": ["x"], "b": [1]}).key
    assert LazyPattern({"b": [1], "a": ["x"]}).key == one
    assert LazyPattern({"a": ["x"], "b": [2]}).key != one
    assert LazyPattern({"a": ["x"], "b": [1.0]}).key != one


def test_lazy_pattern_matches_as_its_pattern() -> None:
    written = {"detail": {"n": [2**70, {"prefix": "\u00e9"}]}}
    for document in ({"data": {"n": 2**70}}, {"data": {"n": "\u00e9t\u00e9"}}, {"data": {"n": 5}}, {}):
        assert LazyPattern(written).matches(document) is compile_pattern(written).matches(document)


def test_lazy_pattern_spends_steps_to_be_compiled_once() -> None:
    pattern, spent = LazyPattern({"data": {"x": [f"v{uuid4()}" for _ in range(100)]}}), []
    for _ in range(2):
        budget = StepBudget(10**6)
        assert not pattern.matches({}, budget)
        spent.append(budget.spent)
    assert spent[0] > 1_000 > spent[1]


def test_lazy_pattern_that_exceeds_the_budget_is_compiled_nevertheless() -> None:
    pattern = LazyPattern({"data": {"x": [f"v{uuid4()}" for _ in range(100)]}})
    with pytest.raises(BudgetExceeded):
        pattern.matches({}, StepBudget(100))
    assert not pattern.matches({}, StepBudget(100))


def test_outline_of_a_lazy_pattern_is_that_of_its_pattern_and_is_kept() -> None:
    written = {"a": ["x", "y"], "$or": [{"b": [1]}, {"b": [{"prefix": "x"}]}]}
    pattern = LazyPattern(written)
    assert pattern.outline() == compile_pattern(written).outline()
    assert pattern.outline(StepBudget(0)) is pattern.outline()


def test_tenant_with_many_patterns_does_not_make_another_compile_again() -> None:
    few = [LazyPattern({"a": [{"prefix": f"{uuid4()}"}]}, "few") for _ in range(10)]
    for pattern in few:
        pattern.matches({})
    for _ in range(300):  # more together than the share of a tenant
        LazyPattern({f"{uuid4()}": ["x"] for _ in range(100)}, "many").matches({})
    budget = StepBudget(10**6)
    for pattern in few:
        pattern.matches({}, budget)
    assert budget.spent < 1_000


def test_lazy_transformer_renders_as_its_transformer() -> None:
    written = {"input_paths": {"s": "$.detail.state"}, "template": '{"s": <s>}'}
    assert LazyTransformer(written).render(EVENT) == compile_transformer(written).render(EVENT)


def test_lazy_transformer_spends_the_rendered_bytes() -> None:
    transformer, spent = LazyTransformer({"input_paths": {"s": "$.data"}, "template": "<s>"}), []
    for size in (1_000, 1_000, 1_000_000):
        budget = StepBudget(10**6)
        transformer.render({"data": "x" * size}, budget)
        spent.append(budget.spent)
    assert spent[2] > 100 * spent[1]
    with pytest.raises(BudgetExceeded):
        transformer.render({"data": "x" * 1_000_000}, StepBudget(100))
