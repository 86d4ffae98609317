"""Check transformers: vectors, values in every kind of place, and injection."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.transform import InvalidTransformer, Transformer, Unrenderable
from webhooks.wire.transform.template import MAX_LENGTH
from webhooks.wire.transform.transformer import MAX_PATHS, MAX_RENDERED

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "transforms.json").read_text())


def name_of(case: dict[str, Any]) -> str:
    return str(case["name"])


@pytest.mark.parametrize("case", VECTORS["cases"], ids=name_of)
def test_vectors(case: dict[str, Any]) -> None:
    body = Transformer(case["input_paths"], case["template"]).render(case["event"])
    if case["output_kind"] == "json":
        assert json.loads(body) == case["output"]
    else:
        assert body.decode() == case["output"]


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=name_of)
def test_invalid_vectors(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidTransformer):
        Transformer(case["input_paths"], case["template"])


@pytest.mark.parametrize("case", VECTORS["injection"], ids=name_of)
def test_injection_vectors(case: dict[str, Any]) -> None:
    body = Transformer(case["input_paths"], case["template"]).render(case["event"])
    assert json.loads(body) == case["expect"]


def render(template: str, value: Any) -> str:
    return Transformer({"v": "$.v", "missing": "$.missing"}, template).render({"v": value}).decode()


@pytest.mark.parametrize(
    ("template", "value", "rendered"),
    [
        # as a JSON value
        ('{"a": <v>}', "x", '{"a": "x"}'),
        ('{"a": <v>}', 'x"\\\n', '{"a": "x\\"\\\\\\n"}'),
        ('{"a": <v>}', 5, '{"a": 5}'),
        ('{"a": <v>}', True, '{"a": true}'),
        ('{"a": <v>}', None, '{"a": null}'),
        ('{"a": <v>}', {"b": ["é"]}, '{"a": {"b":["é"]}}'),
        ('{"a": <missing>}', 0, '{"a": ""}'),
        ("[<v>, <v>]", 1, "[1, 1]"),
        (' { "a" : [ 9, <v>, true ] } ', "x", ' { "a" : [ 9, "x", true ] } '),
        ("{<v>: 1}", "x", '{"x": 1}'),
        ("<v>", {"b": 1}, '{"b":1}'),
        (" <v>\n", "x", ' "x"\n'),
        # inside quotes in JSON
        ('{"a": "<v>"}', "x", '{"a": "x"}'),
        ('{"a": "<v> and <v>"}', 'q"', '{"a": "q\\" and q\\""}'),
        ('{"a": "<v>"}', "\\u0022", '{"a": "\\\\u0022"}'),
        ('{"a": "<v>"}', 5.5, '{"a": "5.5"}'),
        ('{"a": "<v>"}', False, '{"a": "false"}'),
        ('{"a": "<v>"}', None, '{"a": "null"}'),
        ('{"a": "<v>"}', {"b": "c"}, '{"a": "{\\"b\\":\\"c\\"}"}'),
        ('{"a": "<missing>"}', 0, '{"a": ""}'),
        ('{"a": "\\"<v>\\" \\\\<v>"}', "x", '{"a": "\\"x\\" \\\\x"}'),
        ('{"a<v>": 1}', "x", '{"ax": 1}'),
        # inside quotes in text
        ('"is <v>!"', "x", '"is x!"'),
        ('"is <v>!"', 'x"y', '"is x\\"y!"'),
        ('"is <v>!"', ["A", "B"], '"is [A,B]!"'),
        ('"is <v>!"', {"b": 'c"d'}, '"is {b:c\\"d}!"'),
        ('"is <v>!"', True, '"is true!"'),
        ('"is <v>!"', None, '"is null!"'),
        ('"is <missing>!"', 0, '"is !"'),
        ('"<v>"\n"\\"<v>\\""', "a\nb", '"a\\nb"\n"\\"a\\nb\\""'),
        ('"{[/<v>"', "x", '"{[/x"'),
        # in bare text
        ("Hello <v>", 'x"\n', 'Hello x"\n'),
        ("Hello <v>", {"b": ['c"', 1]}, 'Hello {b:[c",1]}'),
        ("5\" is <v>'s", 'x"', '5" is x"\'s'),
        ("Hello <missing>.", 0, "Hello ."),
        ('"<v>" and bare <v>', 'q"', '"q\\"" and bare q"'),
        # what is no placeholder
        ("a < <v> and 5 <= 6 <> 7 > b", 1, "a < 1 and 5 <= 6 <> 7 > b"),
        ('{"a": "x < y > z"}', 1, '{"a": "x < y > z"}'),
        ("no placeholder", 1, "no placeholder"),
    ],
)
def test_render_writes_a_value_for_its_place(template: str, value: Any, rendered: str) -> None:
    assert render(template, value) == rendered


def test_render_does_not_expand_placeholders_in_values() -> None:
    transformer = Transformer({"a": "$.a", "b": "$.b"}, '{"a": "<a>", "b": <b>}')
    assert json.loads(transformer.render({"a": "<b>", "b": "<a>"})) == {"a": "<b>", "b": "<a>"}


def test_render_fills_reserved_names() -> None:
    template = (
        '{"arn": <aws.events.rule-arn>, "name": "<aws.events.rule-name>", "at": <aws.events.event.ingestion-time>,'
        ' "envelope": <aws.events.event>, "all": <aws.events.event.json>}'
    )
    event = {"id": "1", "data": {"x": 1}}
    body = Transformer({}, template).render(
        event, rule_arn="sub_1", rule_name='n"', ingestion_time="2026-01-01T00:00:00Z"
    )
    assert json.loads(body) == {
        "arn": "sub_1",
        "name": 'n"',
        "at": "2026-01-01T00:00:00Z",
        "envelope": {"id": "1"},
        "all": event,
    }


@pytest.mark.parametrize("payload", ["data", "data_base64", "detail"])
def test_render_of_the_event_placeholder_omits_the_payload(payload: str) -> None:
    assert Transformer({}, "<aws.events.event>").render({"id": "1", payload: "x"}) == b'{"id":"1"}'


@pytest.mark.parametrize(
    "template",
    ['{"a": "<aws.events.event>"}', '"<aws.events.event.json>"', "it is <aws.events.event.json>"],
)
def test_transformer_rejects_a_whole_event_except_as_a_json_value(template: str) -> None:
    with pytest.raises(InvalidTransformer, match="only allowed as a JSON value"):
        Transformer({}, template)


@pytest.mark.parametrize(
    ("input_paths", "template", "place"),
    [
        ({}, "<a>", "/template"),
        ({"a": "$"}, '{"x": "<b>hi"}', "/template"),
        ({"a": "$"}, '{"x": "</a>"}', "/template"),
        ({}, '{"x": <aws.events.unknown>}', "/template"),
        ({}, "", "/template"),
        ({}, " \n", "/template"),
        ({}, None, "/template"),
        ({}, "x" * (MAX_LENGTH + 1), "/template"),
        ({"a": "$"}, '{"x": <a>', "/template"),
        ({"a": "$"}, '{"x": 1<a>}', "/template"),
        ({"a": "$"}, '{"x": -<a>}', "/template"),
        ({"a": "$"}, '{"x": <a><a>}', "/template"),
        ({"a": "$"}, '{"x": "<a>}', "/template"),
        ({"a": "$"}, '{"x": NaN, "y": <a>}', "/template"),
        ({"a": "$"}, "[<a>,]", "/template"),
        ({"a": "$"}, "{<a>} is text", "/template"),
        ({}, "[" * 60_000, "/template"),
        ({"a.b": "$"}, "x", "/input_paths"),
        ({"": "$"}, "x", "/input_paths"),
        ({"a b": "$"}, "x", "/input_paths"),
        ({"aws.events.event": "$"}, "x", "/input_paths"),
        ({"a" * 257: "$"}, "x", "/input_paths"),
        ({5: "$"}, "x", "/input_paths"),
        ({"a": "data"}, "x", "/input_paths/a"),
        ({"a": "$.x[?@.y]"}, "x", "/input_paths/a"),
        ({"a": None}, "x", "/input_paths/a"),
        ({f"a{index}": "$" for index in range(MAX_PATHS + 1)}, "x", "/input_paths"),
        (None, "x", "/input_paths"),
        ([], "x", "/input_paths"),
    ],
    ids=lambda part: ascii(part)[:30],
)
def test_transformer_rejects_invalid_input_with_its_path(input_paths: Any, template: Any, place: str) -> None:
    with pytest.raises(InvalidTransformer) as caught:
        Transformer(input_paths, template)
    assert caught.value.path == place


def test_transformer_allows_100_paths() -> None:
    paths = {f"a{index}": f"$.a{index}" for index in range(MAX_PATHS)}
    assert Transformer(paths, "<a99>").render({"a99": 1}) == b"1"


@pytest.mark.parametrize("value", [math.nan, math.inf, {"x": -math.inf}, "\ud800", ["\udfff"], 10**5_000], ids=range(6))
@pytest.mark.parametrize("template", ['{"a": <v>}', '{"a": "<v>"}', '"<v>"', "bare <v>"])
def test_render_rejects_a_value_that_is_no_json(template: str, value: Any) -> None:
    with pytest.raises(Unrenderable):
        render(template, value)


@pytest.mark.parametrize("value", [5, None, True, {}, ["x"]])
def test_render_rejects_a_member_name_that_is_no_string(value: Any) -> None:
    with pytest.raises(Unrenderable, match="a name in an object must be a string"):
        render("{<v>: 1}", value)


def test_render_rejects_a_deeply_nested_value() -> None:
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    with pytest.raises(Unrenderable, match="nested too deeply"):
        render("<v>", value)


def test_render_rejects_a_result_over_the_size_limit() -> None:
    with pytest.raises(Unrenderable, match=f"larger than {MAX_RENDERED} bytes"):
        render("<v>" * 20_000, "x" * 1_000_000)
    assert len(render("bare <v>", "x" * 1_000_000)) == 1_000_005


# Properties

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)


def json_template(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
    members = st.tuples(st.text("ab<", max_size=3).map(json.dumps), inner).map(": ".join)
    return lists | st.lists(members, max_size=3).map(lambda items: "{" + ",\n".join(items) + "}")


templates = st.recursive(
    st.sampled_from(["<v>", "<missing>", '"<v>"', '"a <v> \\" <v>\\\\<v>"', "1", '"plain"', "<aws.events.event.json>"]),
    json_template,
    max_leaves=8,
).filter(lambda template: template[0] in "{[")


@given(templates, values)
def test_render_of_a_json_template_is_json(template: str, value: Any) -> None:
    assert json.loads(render(template, value)) is not None


@given(values)
def test_render_preserves_a_json_value(value: Any) -> None:
    assert json.loads(render('{"a": [<v>]}', value)) == {"a": [value]}


@given(st.text())
def test_render_preserves_a_string_inside_quotes(value: str) -> None:
    assert json.loads(render('{"a": "<v>", "b": 1}', value)) == {"a": value, "b": 1}
    assert json.loads(render('"is <v>"', value)) == f"is {value}"
    assert render("is <v>", value) == f"is {value}"


@given(values)
def test_render_of_quoted_text_is_one_json_string(value: Any) -> None:
    assert isinstance(json.loads(render('"is <v>"', value)), str)


@given(st.text(), st.text())
def test_render_keeps_values_independent(one: str, other: str) -> None:
    transformer = Transformer({"a": "$.a", "b": "$.b"}, '{"x": "<a>-<b>", "y": [<b>, "<a>"]}')
    assert json.loads(transformer.render({"a": one, "b": other})) == {"x": f"{one}-{other}", "y": [other, one]}
