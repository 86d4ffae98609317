"""Check every operator: accepted and rejected values, and invalid arguments."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.patterns.arguments import InvalidPattern
from webhooks.wire.patterns.fields import OPERATORS, compile_field
from webhooks.wire.patterns.operators.field_lookup import FieldLookup
from webhooks.wire.step_budget import UNLIMITED

EVERY_TYPE = ("text", "", "5", 5, 5.0, -1, 0, True, False, None)


def list_accepts(values: list[Any], scalar: Any) -> bool:
    matcher = compile_field(values, "/f")
    found = FieldLookup((entry, 1) for entry in matcher.entries).find(scalar, UNLIMITED) == 1
    assert found is any(entry(scalar) for entry in matcher.entries)
    return found


def accepts(value: Any, scalar: Any) -> bool:
    return list_accepts([value], scalar)


ENTRIES: list[tuple[Any, list[Any], list[Any]]] = [
    # exact values, by value
    ("a", ["a"], ["A", "ab", "", None]),
    ("", [""], ["a", None, 0]),
    ("null", ["null"], [None]),
    (300, [300, 300.0, 3.0e2], ["300", 301, True]),
    (0, [0, 0.0, -0.0], [False, None, ""]),
    (1, [1, 1.0], [True, "1"]),
    (27.807807921694092, [27.807807921694092], [27.80780792169409, 27.8]),
    (9007199254740993, [9007199254740993], [9007199254740992, 9007199254740992.0, 9007199254740994]),
    (123456789012345678901234567890, [123456789012345678901234567890], [123456789012345678901234567891]),
    (True, [True], [1, "true", False]),
    (False, [False], [0, "false", None]),
    (None, [None], ["null", "", 0, False]),
    # an address as an exact value is an address
    ("10.0.0.1", ["10.0.0.1", "::ffff:10.0.0.1", "::ffff:a00:1"], ["10.0.0.2", "010.0.0.1", 10]),
    ("::1", ["::1", "0:0:0:0:0:0:0:1", "0000::0001"], ["::2", "1", "::1%lo"]),
    ("10.0.0.256", ["10.0.0.256"], ["10.0.1.0"]),
    ({"exactly": "10.0.0.1"}, ["10.0.0.1"], ["::ffff:10.0.0.1"]),
    ({"exactly": "a"}, ["a"], ["A", 1]),
    # text
    ({"prefix": "a"}, ["a", "ab"], ["b", "", "A", 1, None]),
    ({"prefix": ""}, ["", "a"], [1, None, True]),
    ({"prefix": "5"}, ["5", "50"], [5, 50]),
    ({"prefix": {"equals-ignore-case": "Ab"}}, ["ab", "ABc"], ["cab", "a", 1]),
    ({"prefix": {"equals-ignore-case": ""}}, ["", "a"], [None]),
    ({"suffix": "a"}, ["a", "ba"], ["ab", "", "A", 1, None]),
    ({"suffix": ""}, ["", "a"], [1, None, True]),
    ({"suffix": "ⱥ大"}, ["大ⱥ大"], ["大ⱥ"]),
    ({"suffix": {"equals-ignore-case": "Ab"}}, ["ab", "cAB"], ["abc", "b", 1]),
    ({"equals-ignore-case": "jAVa"}, ["java", "JAVA"], ["jav", "javax", "xjava", 1]),
    ({"equals-ignore-case": ""}, [""], ["a", None]),
    ({"equals-ignore-case": "ΰɀɐΐΰῆK"}, ["ΰⱿⱯΐΰῆk"], ["ΰⱾⱯΐΰῆk"]),
    ({"wildcard": ""}, [""], ["a", None]),
    ({"wildcard": "*"}, ["", "a", "*"], [None, 1]),
    ({"wildcard": "*hello"}, ["hello", "xhello"], ["hellox", "hell"]),
    ({"wildcard": "xy*"}, ["xy", "xyz"], ["x", "axy"]),
    ({"wildcard": "*b*b"}, ["bb", "bxb"], ["ab", "b"]),
    ({"wildcard": "a*a"}, ["aa", "aba"], ["a"]),
    ({"wildcard": "*a*b*"}, ["ab", "xaxbx", "ba b"], ["ba", ""]),
    ({"wildcard": "a*bc*bc"}, ["abcbc", "axbcxbc"], ["abc"]),
    ({"wildcard": "he\\*o"}, ["he*o"], ["hello", "heo"]),
    ({"wildcard": "a\\**"}, ["a*", "a*b"], ["a", "ab"]),
    ({"wildcard": "a\\\\b"}, ["a\\b"], ["ab", "a\\\\b"]),
    ({"wildcard": "*:*:*:*:*:bus/*"}, ["arn:aws:events:us:1:bus/mine"], ["arn:aws:events:us:bus/mine"]),
    # anything but
    ({"anything-but": "a"}, ["b", "", 1, True, None], ["a"]),
    ({"anything-but": ["a", "b"]}, ["c", 0, None], ["a", "b"]),
    ({"anything-but": ""}, ["a", None], [""]),
    ({"anything-but": 5}, [4, "5", True, None], [5, 5.0]),
    ({"anything-but": 1}, [True, 2], [1, 1.0]),
    ({"anything-but": 0}, [False, 7], [0]),
    ({"anything-but": [1, 2.5]}, [2, "1"], [1, 2.5]),
    ({"anything-but": "10.0.0.1"}, ["::ffff:10.0.0.1"], ["10.0.0.1"]),
    ({"anything-but": {"prefix": "a"}}, ["b", "", 5, None], ["a", "ab"]),
    ({"anything-but": {"prefix": ["a", "b"]}}, ["c", None], ["ax", "bx"]),
    ({"anything-but": {"suffix": "a"}}, ["b", 5, None], ["a", "ba"]),
    ({"anything-but": {"suffix": ["$", "%"]}}, ["x"], ["x$", "x%"]),
    ({"anything-but": {"equals-ignore-case": "a"}}, ["b", None, 1], ["a", "A"]),
    ({"anything-but": {"equals-ignore-case": ["a", ""]}}, ["b"], ["A", ""]),
    ({"anything-but": {"wildcard": "*/dir/*"}}, ["dir", None, 123], ["/dir/", "a/dir/b"]),
    ({"anything-but": {"wildcard": ["*foo*", "*bar*"]}}, ["baz"], ["foo", "bars"]),
    ({"anything-but": {"wildcard": ""}}, ["a"], [""]),
    # numbers
    ({"numeric": ["=", 301.8]}, [301.8, 3.018e2], [301, "301.8", True]),
    ({"numeric": ["<", 0]}, [-0.1, -(10**400)], [0, 0.0, "-1", False, None]),
    ({"numeric": ["<=", 0]}, [0, -1], [0.001]),
    ({"numeric": [">", 0]}, [1e-320, 10**400, 1], [0, True, "1"]),
    ({"numeric": [">=", 1]}, [1, 1.0], [0.999, True]),
    ({"numeric": [">", 0, "<", 1]}, [0.5], [0, 1]),
    ({"numeric": [">=", 0, "<=", 1]}, [0, 1, 0.5], [-1, 2, True]),
    ({"numeric": [">", 9007199254740992]}, [9007199254740993], [9007199254740992]),
    # networks
    ({"cidr": "10.0.0.0/24"}, ["10.0.0.0", "10.0.0.255", "::ffff:10.0.0.7"], ["10.0.1.0", "::a00:1", 123, "x"]),
    ({"cidr": "220.160.154.255/24"}, ["220.160.154.0"], ["220.160.155.0"]),
    ({"cidr": "0.0.0.0/0"}, ["255.255.255.255"], ["::1", "", "1.2.3", "01.2.3.4"]),
    ({"cidr": "2001:db8::/32"}, ["2001:0DB8:0::1", "2001:db8:ffff::"], ["2001:db9::", "10.0.0.1"]),
    ({"cidr": "2001:db8::ff00:42:8329/24"}, ["2001:d00::"], ["2001:e00::"]),
    ({"cidr": "::ffff:10.0.0.0/120"}, ["10.0.0.9"], ["10.0.1.9"]),
    ({"exists": True}, list(EVERY_TYPE), []),
]


@pytest.mark.parametrize(("value", "accepted", "rejected"), ENTRIES, ids=[ascii(row[0]) for row in ENTRIES])
def test_field_entry_accepts_and_rejects_scalars(value: Any, accepted: list[Any], rejected: list[Any]) -> None:
    assert [scalar for scalar in accepted if not accepts(value, scalar)] == []
    assert [scalar for scalar in rejected if accepts(value, scalar)] == []


def wrong(operators: str, *arguments: Any) -> list[tuple[Any, str]]:
    """Make entries whose innermost operator has an invalid argument."""
    entries: list[tuple[Any, str]] = []
    for argument in arguments:
        entry = argument
        for operator in reversed(operators.split("/")):
            entry = {operator: entry}
        entries.append((entry, f"/{operators}"))
    return entries


INVALID = [
    ({}, ""),
    ([], ""),
    (["a"], ""),
    ({"prefix": "a", "suffix": "b"}, ""),
    ({"Prefix": "a"}, ""),
    ({"regex": "a"}, ""),
    (math.inf, ""),
    (math.nan, ""),
    (10**400, ""),
    *wrong("prefix", 3, None, True, ["a"], [], {}, {"wildcard": "a"}, {"equals-ignore-case": "a", "x": 1}),
    *wrong("suffix", 3, None, True, ["a"], [], {}, {"wildcard": "a"}, {"equals-ignore-case": "a", "x": 1}),
    *wrong("prefix/equals-ignore-case", 5, ["a"], None),
    *wrong("suffix/equals-ignore-case", 5, ["a"], None),
    *wrong("equals-ignore-case", 5, None, ["a"], {"prefix": "a"}),
    *wrong("exactly", 5, None, ["a"], {}),
    *wrong("wildcard", 5, None, ["a"], {}, "a**b", "**", "a\\", "a\\b", "\\***", "a*\\"),
    *wrong("anything-but", None, True, [], ["a", 1], [True], [None], [["a"]], [{"prefix": "a"}], math.inf, {}),
    *wrong("anything-but", {"numeric": ["=", 1]}, {"exists": True}, {"cidr": "10.0.0.0/8"}, {"anything-but": "a"}),
    *wrong("anything-but", {"prefix": "a", "suffix": "b"}),
    *wrong("anything-but/prefix", "", ["a", ""], 5, None, [], [1], ["a", None], {"equals-ignore-case": "a"}),
    *wrong("anything-but/suffix", "", ["a", ""], 5, None, [], [1], ["a", None], {"equals-ignore-case": "a"}),
    *wrong("anything-but/equals-ignore-case", 5, None, [], [1], ["a", None], {"prefix": "a"}),
    *wrong("anything-but/wildcard", 5, None, [], [1], ["a", None], {"prefix": "a"}, "b**c", ["a", "b**c"]),
    *wrong("numeric", 10, None, "=", {}, [], ["="], [5], ["==", 1], ["<>", 1], [">", 0, "<"]),
    *wrong("numeric", ["=", "5"], ["=", True], ["=", None], ["=", math.inf], ["<", math.nan], ["<", 10**400]),
    *wrong("numeric", ["=", 1, "<", 2], ["<", 1, ">", 0], [">", 0, ">", 0], [">", 0, "=", 5]),
    *wrong("numeric", [">", 1, "<", 1], [">=", 1, "<=", 1], [">", 30, "<", 1], [">", 1, "<", 30, False]),
    *wrong("cidr", 5, None, ["10.0.0.0/8"], "", "foo", "foo/bar/baz", "snorkle/3", "10.0.0.1", "10.0.0.1/"),
    *wrong("cidr", "10.0.0.1/foo", "10.0.0.1/-1", "10.0.0.1/+8", "10.0.0.1/33", "10.0.0.1/32", "10.0.0.0/8/8"),
    *wrong("cidr", "10.0.0.0/255.0.0.0", "10.10.10.10.10/3", "2.1.0.-1/3", "01.2.3.4/8", "10.0.0.0/²"),
    *wrong("cidr", "xxxx:db8::/64", "2001:db8::/128", "2001:db8::/222", "fe80::1%eth0/64", "1:2:3:4:5:6:7:8:9/64"),
    *wrong("exists", 0, 1, None, "true", [True], {}),
]


@pytest.mark.parametrize(("value", "path"), INVALID, ids=[ascii(row[0])[:60] for row in INVALID])
def test_compile_field_rejects_an_invalid_entry_with_its_path(value: Any, path: str) -> None:
    with pytest.raises(InvalidPattern) as caught:
        compile_field(["fine", value], "/f")
    assert caught.value.path == f"/f/1{path}"


def test_compile_field_rejects_an_empty_list() -> None:
    with pytest.raises(InvalidPattern, match="/f: an empty list"):
        compile_field([], "/f")


def test_absent_entry_accepts_no_value() -> None:
    matcher = compile_field([{"exists": False}], "/f")
    assert matcher.accepts_absent
    assert not any(list_accepts([{"exists": False}], scalar) for scalar in EVERY_TYPE)


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("ab*\\.:1", max_size=8)
entries = st.one_of(
    scalars.filter(lambda scalar: not (isinstance(scalar, float) and math.isinf(scalar))),
    st.builds(lambda text: {"prefix": text}, st.text("ab", max_size=2)),
    st.builds(lambda text: {"suffix": {"equals-ignore-case": text}}, st.text("aB", max_size=2)),
    st.builds(lambda bound: {"numeric": [">", bound]}, st.integers(-9, 9)),
    st.builds(lambda text: {"anything-but": text}, st.text("ab", max_size=2)),
)


@given(st.lists(entries, min_size=1, max_size=4), scalars)
def test_field_accepts_what_one_of_its_entries_accepts(values: list[Any], scalar: Any) -> None:
    assert list_accepts(values, scalar) == any(accepts(value, scalar) for value in values)


@given(st.sampled_from(["prefix", "suffix", "equals-ignore-case", "wildcard"]), st.text("ab", min_size=1), scalars)
def test_anything_but_operator_is_its_complement(name: str, text: str, scalar: Any) -> None:
    assert accepts({"anything-but": {name: text}}, scalar) is not accepts({name: text}, scalar)


@given(st.text("ab", max_size=3) | st.integers(-3, 3), scalars)
def test_anything_but_value_is_its_complement(value: Any, scalar: Any) -> None:
    assert accepts({"anything-but": value}, scalar) is not accepts(value, scalar)


def matches_slowly(pattern: str, text: str) -> bool:
    """Match a wildcard by tracking which prefixes of the pattern match each prefix of the text."""
    reached = {0}
    symbols = list(pattern)
    for character in ["", *text]:
        stay = {at for at in reached if symbols[at : at + 1] == ["*"]}
        move = {at + 1 for at in reached if symbols[at : at + 1] == [character]}
        reached = stay | move if character else reached
        for position, symbol in enumerate(symbols):
            if symbol == "*" and position in reached:
                reached.add(position + 1)
    return len(symbols) in reached


@given(st.text("ab*", max_size=8).filter(lambda text: "**" not in text), st.text("ab", max_size=10))
def test_wildcard_agrees_with_a_simple_implementation(pattern: str, text: str) -> None:
    assert accepts({"wildcard": pattern}, text) == matches_slowly(pattern, text)


@given(st.text(max_size=8))
def test_wildcard_with_escaped_text_matches_only_that_text(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("*", "\\*")
    assert accepts({"wildcard": escaped}, text)
    assert not accepts({"wildcard": escaped}, text + "x")


numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.sampled_from([">", ">="]), numbers, st.sampled_from(["<", "<="]), numbers, numbers)
def test_numeric_range_matches_both_of_its_bounds(lower: str, low: Any, upper: str, high: Any, value: Any) -> None:
    one, other = accepts({"numeric": [lower, low]}, value), accepts({"numeric": [upper, high]}, value)
    if low < high:
        assert accepts({"numeric": [lower, low, upper, high]}, value) is (one and other)
    else:
        with pytest.raises(InvalidPattern):
            compile_field([{"numeric": [lower, low, upper, high]}], "")


@given(st.ip_addresses(v=4), st.integers(0, 31), st.ip_addresses(v=4))
def test_cidr_matches_addresses_with_its_leading_bits(base: Any, bits: int, other: Any) -> None:
    shares = int(base) >> (32 - bits) == int(other) >> (32 - bits)
    assert accepts({"cidr": f"{base}/{bits}"}, str(other)) is shares


@given(st.ip_addresses())
def test_exact_address_matches_in_every_notation(address: Any) -> None:
    assert accepts(str(address), address.exploded)
    assert accepts(address.exploded.upper(), str(address))


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_returns_a_bool_for_every_type(operator: str) -> None:
    arguments = {"numeric": ["=", 5], "cidr": "10.0.0.0/8", "exists": True}
    *_, predicate = compile_field([{operator: arguments.get(operator, "a")}], "").entries
    assert {type(predicate(scalar)) for scalar in EVERY_TYPE} == {bool}
