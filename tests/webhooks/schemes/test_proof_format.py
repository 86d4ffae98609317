"""Check that the text of a signature header is read by its format, in any order, and nothing else is."""

import pytest

from webhooks.schemes.proof_format import ProofFormat
from webhooks.wire.errors import BadOptions, MalformedHeader


@pytest.mark.parametrize(
    ("text", "separator", "value", "found"),
    [
        ("{signature}", "", "ab,cd", {"signature": ["ab,cd"]}),
        ("sha256={signature}", "", "sha256=ab", {"signature": ["ab"]}),
        ("{signature}", ",", "ab, cd,ef", {"signature": ["ab", "cd", "ef"]}),
        ("t={timestamp},v1={signature}", ",", "t=1,v1=ab", {"timestamp": ["1"], "signature": ["ab"]}),
        ("t={timestamp},v1={signature}", ",", "v1=ab, t=1 ,v0=x", {"timestamp": ["1"], "signature": ["ab"]}),
        ("t={timestamp},v1={signature}", ",", "t=1,v1=ab,v1=cd", {"timestamp": ["1"], "signature": ["ab", "cd"]}),
        ("ts={timestamp};h1={signature}", ";", "ts=1;h1=ab", {"timestamp": ["1"], "signature": ["ab"]}),
        ("{timestamp},{signature}", ",", "1,ab,cd", {"timestamp": ["1"], "signature": ["ab", "cd"]}),
        ("{any}|{signature}", "&", "p|ab&q|cd", {"any": ["p", "q"], "signature": ["ab", "cd"]}),
        ("{algorithm}={signature}", "", "sha1=ab=", {"algorithm": ["sha1"], "signature": ["ab="]}),
        ("kid={key_id};sig={signature}", ";", "sig=ab;kid=k", {"key_id": ["k"], "signature": ["ab"]}),
    ],
)
def test_value_is_read_by_its_format(text: str, separator: str, value: str, found: dict[str, list[str]]) -> None:
    assert ProofFormat(text, separator).read("x-sig", value) == found


@pytest.mark.parametrize(
    ("text", "separator", "value"),
    [
        ("sha256={signature}", "", "sha1=ab"),
        ("sha256={signature}", "", "sha256="),
        ("t={timestamp},v1={signature}", ",", "t=1,v0=ab"),
        ("t={timestamp},v1={signature}", ",", ""),
        ("{signature}", ",", ",".join(["ab"] * 17)),
    ],
)
def test_value_without_a_signature_or_with_too_many_is_malformed(text: str, separator: str, value: str) -> None:
    with pytest.raises(MalformedHeader):
        ProofFormat(text, separator).read("x-sig", value)


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("", ""),
        ("{timestamp}", ""),
        ("{signature}{signature}", ""),
        ("{signature}{body}", ""),
        ("{signature}", "abc"),
        ("{signature}", "x"),
    ],
)
def test_format_that_cannot_be_read_is_refused(text: str, separator: str) -> None:
    with pytest.raises(BadOptions):
        ProofFormat(text, separator)


def test_value_is_written_by_its_format() -> None:
    texts = {"timestamp": "1", "signature": "ab"}
    assert ProofFormat("t={timestamp},v1={signature}", ",").write(texts) == "t=1,v1=ab"
    assert ProofFormat("{any}|{signature}", "&").write(texts) == "x|ab"
