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


def refused(check, *given):
    with pytest.raises(Invalid) as refusal:
        check(*given)
    return refusal.value.field


@given(anything)
@pytest.mark.parametrize(
    "check",
    [validation.check_metadata, validation.check_headers, validation.check_pattern, validation.check_transformer],
)
def test_a_check_refuses_and_never_breaks(check, value):
    try:
        check(value)
    except Invalid as refusal:
        refusal.message.encode()


@pytest.mark.parametrize("name", ["*", "a", "order.paid", "order.*", "a.b.c.*", "a_b-C.9", "x" * 256, "x" * 254 + ".*"])
def test_names_prefixes_and_everything_are_event_types(name):
    validation.check_event_types([name])


@pytest.mark.parametrize(
    "name", ["", ".", "a.", ".a", "a..b", "**", "*.a", "a.*.b", "a*", "a b", "a\n", "ä", "x" * 257, "x" * 255 + ".*"]
)
def test_nothing_else_is_an_event_type(name):
    assert refused(validation.check_event_types, [name]) == "event_types"


@pytest.mark.parametrize("text", ["\0", "\n", "\x1f", "\x7f", "\x85", "\ud800"])
def test_text_holds_no_control_characters(text):
    assert refused(validation.check_text, "name", f"a{text}b") == "name"
    assert refused(validation.check_metadata, {"a": [text]}) == "metadata"
    assert refused(validation.check_metadata, {text: 1}) == "metadata"


@pytest.mark.parametrize("text", ["", "é", "漢字", "🙂", "a b", "<script>"])
def test_other_text_is_fine(text):
    validation.check_text("name", text)
    validation.check_metadata({text: text})


def test_metadata_is_flat_and_small():
    deepest = {"a": {"b": {"c": {"d": 1}}}}
    validation.check_metadata(deepest)
    assert refused(validation.check_metadata, {"z": deepest}) == "metadata"
    validation.check_metadata({"a": "x" * (validation.MAX_METADATA - 9)})
    assert refused(validation.check_metadata, {"a": "x" * (validation.MAX_METADATA - 8)}) == "metadata"
    assert refused(validation.check_metadata, {"a": float("nan")}) == "metadata"


def test_depth_is_measured_without_recursion():
    bottomless = []
    for _ in range(100_000):
        bottomless = [bottomless]
    for check, field in ((validation.check_metadata, "metadata"), (validation.check_pattern, "pattern")):
        assert refused(check, {"a": bottomless}) == field


@pytest.mark.parametrize("uid", ["a", "A-b_c.9", "x" * 256, "tnt_x", "ep_01m83t2ghzevcannga6my0tf3k"])
def test_a_uid(uid):
    assert validation.is_uid(uid)
    validation.check_uid("tnt", uid)


@pytest.mark.parametrize("uid", ["", "a b", "a\n", "é", "x" * 257, "a/b", "tnt_01m83t2ghzevcannga6my0tf3k"])
def test_no_uid(uid):
    assert refused(validation.check_uid, "tnt", uid) == "uid"


def test_no_uid_at_all_is_fine():
    validation.check_uid("tnt", None)


@pytest.mark.parametrize("name", ["", "  ", "x" * 257, "a\0"])
def test_a_name_is_visible_and_short(name):
    assert refused(validation.check_name, name) == "name"


def test_a_refused_header_does_not_repeat_its_value():
    with pytest.raises(Invalid) as refusal:
        validation.check_headers({"authorization": "hunter2\r\n"})
    assert "hunter2" not in refusal.value.message


def test_input_paths_may_be_left_out():
    validation.check_transformer({"template": '"always the same"'})
