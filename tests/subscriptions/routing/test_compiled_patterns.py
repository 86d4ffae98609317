"""Patterns and transformers as written by tenants, in the names of CloudEvents or EventBridge, compiled."""

from typing import Any

import pytest

from subscriptions.routing.compiled_patterns import LazyPattern, compile_pattern, compile_transformer, compiled
from webhooks.wire.patterns import InvalidPattern, Pattern
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


def test_pattern_in_another_order_is_equal() -> None:
    one, other = LazyPattern({"a": ["x"], "b": [1]}), LazyPattern({"b": [1], "a": ["x"]})
    assert (one, hash(one)) == (other, hash(other))
    assert LazyPattern({"a": ["x"], "b": [2]}) != one
    assert LazyPattern({"a": ["x"], "b": [1.0]}) != one


def test_lazy_pattern_matches_as_its_pattern() -> None:
    written = {"detail": {"n": [2**70, {"prefix": "\u00e9"}]}}
    for document in ({"data": {"n": 2**70}}, {"data": {"n": "\u00e9t\u00e9"}}, {"data": {"n": 5}}, {}):
        assert LazyPattern(written).matches(document) is compile_pattern(written).matches(document)


def test_unindexed_pattern_is_kept_compiled() -> None:
    assert isinstance(compiled(LazyPattern({"a": [{"prefix": "x"}]})), Pattern)
    pattern = Pattern({"a": ["x"]})
    assert compiled(pattern) is pattern
