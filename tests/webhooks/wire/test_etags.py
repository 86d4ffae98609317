import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.etags import etag_of, is_match, is_none_match

TAG = etag_of(b"content")
OTHER = etag_of(b"other content")


def test_the_same_content_has_the_same_tag_and_other_content_another():
    assert etag_of(b"content") == TAG != OTHER
    assert TAG[0] == TAG[-1] == '"'


@pytest.mark.parametrize(
    "header",
    [TAG, f" {TAG} ", f"{OTHER}, {TAG}", f"{OTHER},{TAG}", f'"a,b" , {TAG}', f",, {TAG},", "*", " * ", f'W/"x", {TAG}'],
)
def test_a_change_passes_if_its_tag_is_listed(header):
    assert is_match(header, TAG)


@pytest.mark.parametrize(
    "header",
    ["", OTHER, f"W/{TAG}", TAG.strip('"'), f"{TAG} {TAG}", f"{TAG}x", f"x{TAG}", "**", f"{TAG}, *", '"', "W/"],
)
def test_a_change_does_not_pass_for_another_a_weak_or_an_unreadable_tag(header):
    assert not is_match(header, TAG)


@pytest.mark.parametrize("header", [TAG, f"W/{TAG}", f"{OTHER}, W/{TAG}", "*"])
def test_what_is_known_already_need_not_be_sent(header):
    assert not is_none_match(header, TAG)


@pytest.mark.parametrize("header", ["", OTHER, f"W/{OTHER}", "garbage", TAG.strip('"')])
def test_what_is_not_known_is_sent(header):
    assert is_none_match(header, TAG)


@given(st.text())
def test_no_header_breaks_the_reading(header):
    assert isinstance(is_match(header, TAG), bool)
    assert isinstance(is_none_match(header, TAG), bool)
