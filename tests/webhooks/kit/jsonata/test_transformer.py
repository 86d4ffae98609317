"""Bodies by JSONata expressions: values, texts, errors, and nothing that one evaluation leaves for the next."""

import json
import time
from typing import Any

import pytest

from webhooks.kit.jsonata.transformer import MAX_EXPRESSION, JsonataTransformer, check_expression
from webhooks.wire.json_text import parse_value
from webhooks.wire.transform import InvalidTransformer, Unrenderable

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "type": "order.paid",
    "subject": "A-1001",
    "data": {
        "number": 7,
        "none": None,
        "nested": [[1, 2], [3]],
        "lines": [{"sku": "pen", "price": 2.5, "quantity": 4}, {"sku": "ink", "price": 8, "quantity": 1}],
        "text": 'a "quoted" <b> é 😀',
    },
}


def render(expression: str, event: dict[str, Any] = EVENT, **options: Any) -> bytes:
    return JsonataTransformer(expression, **options).render(event)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("data.number", 7),
        ("data.none", None),
        ("data.nested", [[1, 2], [3]]),
        ("$sum(data.lines.(price * quantity))", 18),
        ("data.lines[price > 5].sku & '!'", "ink!"),
        ("{'skus': data.lines.sku, 'first': data.lines[0], 'missing': data.nothing}", None),
        ("[1..5]", [1, 2, 3, 4, 5]),
        ("[data.lines[0].sku]", ["pen"]),
        ("10 / 4", 2.5),
        ("$map(data.lines, function($line, $index) { $index & $line.sku })", ["0pen", "1ink"]),
        ("data.lines{sku: quantity}", {"pen": 4, "ink": 1}),
        ("true", True),
        ("[null]", [None]),
        ("$eval('1 + 1')", 2),
        ("[]", []),
        ("{}", {}),
    ],
)
def test_value_of_an_expression_is_the_body(expression: str, value: Any) -> None:
    body = render(expression)
    if isinstance(value, str):
        assert body.decode() == value
    elif expression.startswith("{'skus'"):
        assert json.loads(body) == {"skus": ["pen", "ink"], "first": EVENT["data"]["lines"][0]}
    else:
        assert json.loads(body) == value


def test_string_is_sent_as_it_is_unless_the_content_type_is_json() -> None:
    assert render("data.text").decode() == EVENT["data"]["text"]
    assert render("data.text", content_type="text/csv").decode() == EVENT["data"]["text"]
    for content_type in ("application/json", "application/cloudevents+json; charset=utf-8"):
        assert json.loads(render("data.text", content_type=content_type)) == EVENT["data"]["text"]


def test_numbers_of_events_are_read_whatever_their_length() -> None:
    event = parse_value(b'{"data": {"long": 12345678901234567890123, "price": 1.50}}', 10)
    assert render("data", event) == b'{"long":12345678901234567890123,"price":1.5}'


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("data.nothing", "has no value for this event"),
        ("$uppercase", "contains a function"),
        ("[$uppercase]", "contains a function"),
        ("$error('no such customer')", "no such customer"),
        ("$assert(data.number = 8, 'must be 8')", "must be 8"),
        ("data.text + 1", "must evaluate to a number"),
        ("$number('x')", "could not convert"),
        ("'\\ud800'", "UTF-8"),
        ("1 / 0", ""),
        ("$notAFunction(1)", "non-function"),
    ],
)
def test_expression_that_fails_for_an_event_says_why(expression: str, reason: str) -> None:
    with pytest.raises(Unrenderable) as failed:
        render(expression)
    assert reason in str(failed.value)


@pytest.mark.parametrize(
    ("expression", "place"),
    [
        ("data.(", "end of expression"),
        ("data.lines[", "end of expression"),
        ("{'a': 1 'b': 2}", "at character 11"),
        ("1 +", "end of expression"),
        ("'open", "at character"),
        ("data..lines", "at character 6"),
        ("a := 1", "variable name"),
        ("$match('a', /(/)", ""),
        ("(" * 5_000, "deeply"),
    ],
)
def test_expression_that_cannot_be_parsed_is_refused_with_the_place(expression: str, place: str) -> None:
    with pytest.raises(InvalidTransformer) as refused:
        check_expression(expression)
    assert refused.value.path == "/jsonata"
    assert place in refused.value.reason


@pytest.mark.parametrize("expression", ["", "  ", None, 7, "1" * (MAX_EXPRESSION + 1)])
def test_what_is_no_expression_is_refused(expression: Any) -> None:
    with pytest.raises(InvalidTransformer):
        JsonataTransformer(expression)


def test_valid_expressions_pass_the_check() -> None:
    check_expression("{'id': data.id, 'when': $now()}")
    check_expression("/* a comment */ $match(data.text, /a+/i).match")


class TestIsolation:
    def test_variable_of_an_evaluation_is_not_there_in_the_next(self) -> None:
        assert render("($secret := data.number; $secret)") == b"7"
        assert render("$exists($secret)") == b"false"

    def test_variable_at_the_top_is_not_kept_with_the_expression(self) -> None:
        first = "$seen := $exists($seen) ? 'again' : 'first'"
        assert render(first) == render(first) == b"first"

    def test_name_of_a_variable_is_in_no_message_of_another_expression(self) -> None:
        render("($ourSecretName := $sum; $ourSecretName([1]))")
        with pytest.raises(Unrenderable) as failed:
            render("$sum(['a'])")
        assert "ourSecretName" not in str(failed.value)

    def test_functions_cannot_be_replaced_for_others(self) -> None:
        assert render("($uppercase := function($it) { 'mine' }; $uppercase('a'))") == b"mine"
        assert render("$uppercase('a')") == b"A"

    def test_time_is_that_of_the_evaluation_also_after_another_was_parsed(self) -> None:
        first = JsonataTransformer("$millis()")
        first.render(EVENT)
        render(f"'{time.time()}'")
        before = time.time() * 1000
        assert int(first.render(EVENT)) >= int(before)

    def test_attributes_of_python_are_not_reached(self) -> None:
        for expression in ("$lookup($, '__class__')", "data.__class__", "$sum.__globals__", "data.text.format"):
            with pytest.raises(Unrenderable, match="no value"):
                render(expression)
