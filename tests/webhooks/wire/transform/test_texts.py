"""Test the named texts of transformers."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.routing.compiled_patterns import compile_transformer
from webhooks.wire.step_budget import BudgetExceeded, StepBudget
from webhooks.wire.transform import InvalidTransformer, Transformer, Unrenderable
from webhooks.wire.transform.limits import MAX_RENDERED


def rendered(text: dict[str, Any], event: dict[str, Any], paths: dict[str, str] | None = None) -> str:
    transformer = Transformer(paths or {}, '{"t": <text>}', texts={"text": text})
    return str(orjson.loads(transformer.render(event))["t"])


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("order <$.id> is <$.data.state>", 'order 7 is "paid" <b>'),
        ("<n> of <$.data.total>", "7 of 1.5"),
        ("<!here> <@U024> <https://example.com|look> <$.id>", "<!here> <@U024> <https://example.com|look> 7"),
        ("data <$.data.lines>", 'data ["a",{"b":1}]'),
        ("missing <$.none>.", "missing ."),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_text_writes_values_and_keeps_other_words(template, text):
    event = {"id": "7", "data": {"state": '"paid" <b>', "total": 1.5, "lines": ["a", {"b": 1}]}}
    assert rendered({"template": template}, event, {"n": "$.id"}) == text


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60), st.integers(1, 40))
def test_text_over_its_length_is_cut_and_ends_with_an_ellipsis(value, most):
    text = rendered({"template": "<$.v>", "max_length": most}, {"v": value})
    units = len(value.encode("utf-16-le")) // 2
    assert len(text.encode("utf-16-le")) // 2 <= most
    assert text == value if units <= most else text.endswith("…") and value.startswith(text[:-1])


def test_text_escapes_values_and_not_itself():
    text = {"template": "<!here> <$.v> & more", "escape": "html"}
    assert rendered(text, {"v": "<!channel> & co"}) == "<!here> &lt;!channel&gt; &amp; co & more"


@pytest.mark.parametrize("most", range(2, 12))
def test_cut_leaves_no_part_of_an_entity(most):
    text = rendered({"template": "<$.v>", "escape": "html", "max_length": most}, {"v": "a<b>c&d"})
    assert "&" not in text.replace("&lt;", "").replace("&gt;", "").replace("&amp;", "")


def test_one_line_has_no_line_breaks():
    assert rendered({"template": "<$.v>", "one_line": True}, {"v": "a\r\n b\u2028c"}) == "a b c"


def test_text_of_many_long_values_is_unrenderable_and_a_cut_one_is_not():
    event = {"v": "x" * (MAX_RENDERED // 100)}
    with pytest.raises(Unrenderable):
        rendered({"template": "<$.v>" * 200}, event)
    assert len(rendered({"template": "<$.v>" * 200, "max_length": 50}, event)) == 50


def test_text_spends_the_budget():
    transformer = Transformer({}, "<t>", texts={"t": {"template": "<$.v>"}})
    with pytest.raises(BudgetExceeded):
        transformer.render({"v": list(range(10_000))}, StepBudget(1000))


def test_text_of_eventbridge_names_reads_the_data():
    written = {"texts": {"t": {"template": "<$.detail.state>"}}, "template": '{"t": <t>}'}
    assert compile_transformer(written).render({"data": {"state": "up"}}) == b'{"t": "up"}'


@pytest.mark.parametrize(
    ("texts", "place"),
    [
        ({"t": "x"}, "/texts/t"),
        ({"t": {}}, "/texts/t"),
        ({"t": {"template": "x", "more": 1}}, "/texts/t/more"),
        ({"t": {"template": 5}}, "/texts/t/template"),
        ({"t": {"template": "<$.a..b>"}}, "/texts/t/template"),
        ({"t": {"template": "x", "max_length": 0}}, "/texts/t/max_length"),
        ({"t": {"template": "x", "max_length": True}}, "/texts/t/max_length"),
        ({"t": {"template": "x", "one_line": 1}}, "/texts/t/one_line"),
        ({"t": {"template": "x", "escape": "xml"}}, "/texts/t/escape"),
        ({"n": {"template": "x"}}, "/texts/n"),
        ({f"t{number}": {"template": "x"} for number in range(21)}, "/texts"),
        ("text", "/texts"),
    ],
)
def test_transformer_rejects_invalid_texts_with_their_place(texts, place):
    with pytest.raises(InvalidTransformer) as caught:
        Transformer({"n": "$.id"}, "x", texts=texts)
    assert caught.value.path == place


def test_unknown_name_beside_texts_is_rejected():
    with pytest.raises(InvalidTransformer, match="not an input path"):
        Transformer({}, '{"t": <tilte>}', texts={"title": {"template": "x"}})
