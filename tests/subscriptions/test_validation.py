"""Checks of fields: what they accept and reject, and that they raise nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions import validation
from subscriptions.errors import Invalid

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=10,
)


def field_of_error(check, *given):
    with pytest.raises(Invalid) as error:
        check(*given)
    return error.value.field


@given(anything)
@pytest.mark.parametrize(
    "check",
    [validation.check_metadata, validation.check_headers, validation.check_pattern, validation.check_transformer],
)
def test_check_raises_nothing_but_invalid(check, value):
    try:
        check(value)
    except Invalid as error:
        error.message.encode()


@pytest.mark.parametrize(
    "name",
    [
        *("*", "a", "order.paid", "order.*", "a.b.c.*", "a_b-C.9", "x" * 256, "x" * 254 + ".*"),
        *("EC2 Instance State-change Notification", "AWS API Call.*", "größe", "a..b", "urn:x/1", "{a},b"),
    ],
)
def test_check_event_types_accepts_names_prefixes_and_star(name):
    validation.check_event_types([name])


@pytest.mark.parametrize(
    "name",
    ["", " ", ".*", "**", "*.a", "a.*.b", "a*", " a", "a ", "a\n", "a\nb", "a\ud800b", "x" * 257, "x" * 255 + ".*"],
)
def test_check_event_types_rejects_other_names(name):
    assert field_of_error(validation.check_event_types, [name]) == "event_types"


@pytest.mark.parametrize("text", ["\0", "\n", "\x1f", "\x7f", "\x85", "\ud800"])
def test_check_text_rejects_control_characters_and_surrogates(text):
    assert field_of_error(validation.check_text, "name", f"a{text}b") == "name"
    assert field_of_error(validation.check_metadata, {"a": [text]}) == "metadata"
    assert field_of_error(validation.check_metadata, {text: 1}) == "metadata"


@pytest.mark.parametrize("text", ["", "é", "漢字", "🙂", "a b", "<script>"])
def test_check_text_accepts_other_text(text):
    validation.check_text("name", text)
    validation.check_metadata({text: text})


def test_check_metadata_limits_depth_and_size():
    deepest = {"a": {"b": {"c": {"d": 1}}}}
    validation.check_metadata(deepest)
    assert field_of_error(validation.check_metadata, {"z": deepest}) == "metadata"
    validation.check_metadata({"a": "x" * (validation.MAX_METADATA - 9)})
    assert field_of_error(validation.check_metadata, {"a": "x" * (validation.MAX_METADATA - 8)}) == "metadata"
    assert field_of_error(validation.check_metadata, {"a": float("nan")}) == "metadata"


def test_check_depth_of_bottomless_lists_does_not_recurse():
    bottomless = []
    for _ in range(100_000):
        bottomless = [bottomless]
    for check, field in ((validation.check_metadata, "metadata"), (validation.check_pattern, "pattern")):
        assert field_of_error(check, {"a": bottomless}) == field


@pytest.mark.parametrize("uid", ["a", "A-b_c.9", "x" * 256, "tnt_x", "ep_01m83t2ghzevcannga6my0tf3k"])
def test_check_uid_accepts_valid_uids(uid):
    assert validation.is_uid(uid)
    validation.check_uid("tnt", uid)


@pytest.mark.parametrize("uid", ["", "a b", "a\n", "é", "x" * 257, "a/b", "tnt_01m83t2ghzevcannga6my0tf3k"])
def test_check_uid_rejects_invalid_uids_and_ids_of_waypost(uid):
    assert field_of_error(validation.check_uid, "tnt", uid) == "uid"


def test_check_uid_accepts_none():
    validation.check_uid("tnt", None)


@pytest.mark.parametrize("name", ["", "  ", "x" * 257, "a\0"])
def test_check_name_rejects_blank_long_and_control_characters(name):
    assert field_of_error(validation.check_name, name) == "name"


def test_error_of_a_header_does_not_repeat_its_value():
    with pytest.raises(Invalid) as error:
        validation.check_headers({"authorization": "hunter2\r\n"})
    assert "hunter2" not in error.value.message


def test_check_transformer_without_input_paths_passes():
    validation.check_transformer({"template": '"always the same"'})


@pytest.mark.parametrize(
    "content_type", ["text/csv", "Application/XML; charset=utf-8", 'a/b;x="y z"', "a/b+json;q=1;r=2", None]
)
def test_check_transformer_with_a_content_type_passes(content_type):
    validation.check_transformer({"template": "x", "content_type": content_type})


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text",
        "text/",
        "*/*",
        "text/csv;",
        "text/csv\r\nx: y",
        "text/csv\n",
        "text/csv;a=\u20ac",
        "a/" + "b" * 300,
        5,
    ],
)
def test_check_transformer_with_something_else_as_its_content_type_raises(content_type):
    with pytest.raises(Invalid, match="media type"):
        validation.check_transformer({"template": "x", "content_type": content_type})
