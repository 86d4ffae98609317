import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.etags import etag_of, etag_of_document, is_match, is_none_match

TAG = etag_of(b"content")
OTHER = etag_of(b"other content")


def test_etag_of_depends_only_on_the_content():
    assert etag_of(b"content") == TAG != OTHER
    assert TAG[0] == TAG[-1] == '"'


def test_etag_of_document_does_not_depend_on_the_order_of_members():
    assert etag_of_document({"a": 1, "b": [2]}) == etag_of_document({"b": [2], "a": 1})
    assert etag_of_document({"a": 1}) != etag_of_document({"a": 2})


@pytest.mark.parametrize("number", [10**300, -(10**300), 2**64, float("nan")])
def test_document_with_any_number_of_python_has_an_etag(number):
    assert etag_of_document({"a": number}) != etag_of_document({"a": 1})


@pytest.mark.parametrize(
    "header",
    [TAG, f" {TAG} ", f"{OTHER}, {TAG}", f"{OTHER},{TAG}", f'"a,b" , {TAG}', f",, {TAG},", "*", " * ", f'W/"x", {TAG}'],
)
def test_is_match_is_true_for_a_listed_tag(header):
    assert is_match(header, TAG)


@pytest.mark.parametrize(
    "header",
    ["", OTHER, f"W/{TAG}", TAG.strip('"'), f"{TAG} {TAG}", f"{TAG}x", f"x{TAG}", "**", f"{TAG}, *", '"', "W/"],
)
def test_is_match_is_false_for_another_weak_or_malformed_tag(header):
    assert not is_match(header, TAG)


@pytest.mark.parametrize("header", [TAG, f"W/{TAG}", f"{OTHER}, W/{TAG}", "*"])
def test_is_none_match_is_false_for_a_listed_tag(header):
    assert not is_none_match(header, TAG)


@pytest.mark.parametrize("header", ["", OTHER, f"W/{OTHER}", "garbage", TAG.strip('"')])
def test_is_none_match_is_true_for_other_tags(header):
    assert is_none_match(header, TAG)


@given(st.text())
def test_etag_headers_with_any_text_do_not_raise(header):
    assert isinstance(is_match(header, TAG), bool)
    assert isinstance(is_none_match(header, TAG), bool)
