"""Check that CloudEvents over HTTP are read and written without loss, and invalid ones rejected."""

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import orjson
import pytest
from cloudevents.core.bindings import http as sdk
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire import header_values
from webhooks.wire.cloudevents import http_modes
from webhooks.wire.cloudevents.http_modes import Event
from webhooks.wire.errors import InvalidEvent, UnsupportedFormat

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "cloudevents.json").read_text())
CORE = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}
ABSENT = object()

# Valid attribute strings: no control characters, surrogates or noncharacters.
strings = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn")).filter(lambda c: not 0xFDD0 <= ord(c) <= 0xFDEF), min_size=1
)
names = st.from_regex(r"[a-z][a-z0-9]{0,19}", fullmatch=True).filter(
    lambda name: name not in {"data", "dataref", "datacontenttype", "dataschema", "time", "source", "specversion"}
)
attributes = st.dictionaries(names, strings, max_size=5).map(lambda extra: {**CORE, **extra})
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | strings,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4),
)
json_types = st.sampled_from(["application/json", "text/json; charset=utf-8", "application/vnd.x+JSON"])
other_types = st.sampled_from(["text/plain", "application/xml", "image/svg+xml", "application/octet-stream"])


def structured(**members: Any) -> bytes:
    """Write the smallest event with these members changed; ABSENT leaves one out."""
    return orjson.dumps({name: it for name, it in {**CORE, **members}.items() if it is not ABSENT})


def read_one(body: bytes) -> Event:
    (event,) = http_modes.read(STRUCTURED, body)
    return event


def read_headers(body: bytes = b"", **headers: str) -> Event:
    """Read the smallest event in binary mode; `ce_id` is the header ce-id, None leaves it out."""
    named = {f"ce-{name}": value for name, value in CORE.items()} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    (event,) = http_modes.read({name: value for name, value in named.items() if value is not None}, body)
    return event


def rejected_attribute(body: bytes, headers: dict[str, str] = STRUCTURED) -> str:
    """Return the attribute that the InvalidEvent names."""
    with pytest.raises(InvalidEvent) as error:
        http_modes.read(headers, body)
    return error.value.attribute


# Vectors


def vector_body(case: dict[str, Any]) -> bytes:
    return b64decode(case["body_base64"]) if "body_base64" in case else case["body"].encode("utf-8", "surrogatepass")


def vector_data(event: Event, expected: Any) -> Any:
    declared = event.attributes.get("datacontenttype", "application/json")
    assert event.data is not None
    return json.loads(event.data) if "json" in declared else event.data.decode()


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: f"{case['mode']}: {case['name']}")
def test_vectors(case: dict[str, Any]) -> None:
    if not case["valid"]:
        with pytest.raises(InvalidEvent) as error:
            http_modes.read(case["headers"], vector_body(case))
        assert isinstance(error.value, UnsupportedFormat) is (case.get("status") == 415)
        return
    events = http_modes.read(case["headers"], vector_body(case))
    expect = case.get("expect", {})
    if "attributes" in expect:
        assert [event.attributes for event in events] == [expect["attributes"]]
    if "has_data" in expect:
        assert [event.has_data for event in events] == [expect["has_data"]]
    if "data_base64" in expect:
        assert events[0].data == b64decode(expect["data_base64"])
    if "data" in expect:
        assert vector_data(events[0], expect["data"]) == expect["data"]


@pytest.mark.parametrize("case", VECTORS["header_encoding"], ids=lambda case: case["value"])
def test_encode_and_decode_agree_with_the_vectors(case: dict[str, str]) -> None:
    assert header_values.encode(case["value"]) == case["header"]
    assert header_values.decode(case["header"]) == case["value"]


# Properties


@given(attributes, json_types | st.none(), values)
def test_structured_mode_preserves_json(attributes: dict[str, str], declared: str | None, value: Any) -> None:
    named = attributes if declared is None else {**attributes, "datacontenttype": declared}
    event = Event(named, json.dumps(value).encode())
    again = read_one(http_modes.write_structured(event))
    assert again == event
    assert again.value == orjson.loads(json.dumps(value))


@given(attributes, other_types, st.binary() | strings.map(str.encode))
def test_structured_mode_preserves_bytes(attributes: dict[str, str], declared: str, data: bytes) -> None:
    event = Event({**attributes, "datacontenttype": declared}, data)
    assert read_one(http_modes.write_structured(event)) == event


@given(attributes)
def test_both_modes_preserve_an_event_without_data(attributes: dict[str, str]) -> None:
    event = Event(attributes)
    assert read_one(http_modes.write_structured(event)) == event
    assert http_modes.read(*http_modes.write_binary(event)) == [event]


@given(attributes, other_types, st.binary(min_size=1))
def test_binary_mode_preserves_bytes(attributes: dict[str, str], declared: str, data: bytes) -> None:
    event = Event({**attributes, "datacontenttype": declared}, data)
    headers, body = http_modes.write_binary(event)
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    assert http_modes.read(headers, body) == [event]


@given(attributes, values)
def test_binary_mode_preserves_json_and_declares_it(attributes: dict[str, str], value: Any) -> None:
    event = Event(attributes, json.dumps(value).encode())
    (again,) = http_modes.read(*http_modes.write_binary(event))
    assert again == Event({**attributes, "datacontenttype": "application/json"}, event.data)


@given(st.lists(st.tuples(attributes, values), max_size=5))
def test_read_of_a_batch_equals_reading_each_event(items: list[tuple[dict[str, str], Any]]) -> None:
    events = [Event(attributes, json.dumps(value).encode()) for attributes, value in items]
    body = b"[" + b",".join(map(http_modes.write_structured, events)) + b"]"
    assert http_modes.read(BATCH, body) == events


@given(strings)
def test_decode_reverses_encode(value: str) -> None:
    encoded = header_values.encode(value)
    assert header_values.decode(encoded) == value
    assert header_values.decode("".join(f"%{byte:02x}" for byte in value.encode())) == value


@given(st.dictionaries(st.sampled_from(["content-type", "ce-id", "ce-", "ce-time", "x"]), st.text()), st.binary())
def test_read_raises_only_invalid_event(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(InvalidEvent):
        http_modes.read(headers, body)


@given(st.dictionaries(st.text() | st.sampled_from([*CORE, "data", "data_base64", "time"]), values), st.booleans())
def test_read_accepts_or_rejects_any_json(document: dict[str, Any], batch: bool) -> None:
    text = json.dumps([document] if batch else document).encode()
    try:
        events = http_modes.read(BATCH if batch else STRUCTURED, text)
    except InvalidEvent as error:
        str(error).encode()  # can be encoded, whatever the names are
    else:
        assert [event.attributes["type"] for event in events] == [document["type"]]


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_read_rejects_what_the_standard_library_rejects(text: str) -> None:
    body = structured(data=ABSENT)[:-1] + b',"data":' + text.encode("utf-8", "surrogatepass") + b"}"
    try:
        document = json.loads(body)
    except ValueError:
        assert rejected_attribute(body) in {"", "data"}
    else:
        assert set(document) >= {"id", "data"}


# The SDK


@given(attributes, st.dictionaries(strings, strings))
def test_write_is_read_by_the_sdk(attributes: dict[str, str], value: dict[str, str]) -> None:
    event = Event({**attributes, "time": "2018-04-05T17:31:00Z"}, orjson.dumps(value))
    message = sdk.HTTPMessage(dict(STRUCTURED), http_modes.write_structured(event))
    theirs = [sdk.from_structured_event(message)]
    theirs.append(sdk.from_binary_event(sdk.HTTPMessage(*http_modes.write_binary(event))))
    for read in theirs:
        assert read.get_data() == value
        found = read.get_attributes()
        assert found.pop("time").isoformat() == "2018-04-05T17:31:00+00:00"
        found.pop("datacontenttype", None)
        assert found == attributes


@given(strings, st.dictionaries(strings, strings, min_size=1))
def test_read_accepts_what_the_sdk_writes(subject: str, value: dict[str, str]) -> None:
    theirs = CloudEvent({**CORE, "subject": subject, "datacontenttype": "application/json"}, value)
    for message in (sdk.to_structured_event(theirs), sdk.to_binary_event(theirs)):
        headers = message.headers
        (event,) = http_modes.read(headers, message.body)
        assert event.attributes["subject"] == subject
        assert event.value == value


# Attributes


@pytest.mark.parametrize("name", CORE)
@pytest.mark.parametrize("value", [ABSENT, None, "", 1, 1.5, True, [], {}, "\u0000", "a\u0085", "\uffff"])
def test_read_rejects_a_required_attribute_that_is_no_text(name: str, value: Any) -> None:
    assert rejected_attribute(structured(**{name: value})) == name


@pytest.mark.parametrize("name", ["subject", "time", "datacontenttype", "dataschema"])
def test_read_rejects_an_empty_optional_attribute(name: str) -> None:
    assert name not in read_one(structured(**{name: None})).attributes
    for value in ("", 1, False, ["x"], {"x": 1}, 0.5):
        assert rejected_attribute(structured(**{name: value})) == name


@pytest.mark.parametrize("version", ["0.3", "1", "1.1", "1.0 ", "v1.0"])
def test_read_rejects_other_versions(version: str) -> None:
    assert rejected_attribute(structured(specversion=version)) == "specversion"


@pytest.mark.parametrize("name", ["a", "0", "x" * 100, "1st", "comexampleextension1"])
def test_read_accepts_extension_names(name: str) -> None:
    assert read_one(structured(**{name: "v"})).attributes[name] == "v"


@pytest.mark.parametrize("name", ["", "A", "camelCase", "with_underscore", "a b", "ä", "a\n", "٣", "\u212a"])
def test_read_rejects_invalid_extension_names(name: str) -> None:
    with pytest.raises(InvalidEvent):
        read_one(structured(**{name: "v"}))
    with pytest.raises(InvalidEvent):
        Event({**CORE, name: "v"})


@pytest.mark.parametrize("name", ["data", "data_base64"])
def test_event_rejects_data_as_an_attribute(name: str) -> None:
    with pytest.raises(InvalidEvent):
        Event({**CORE, name: "v"})
    with pytest.raises(InvalidEvent):
        read_headers(**{f"ce-{name}": "v"})


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-5, "-5"), (2**31 - 1, "2147483647"), (-(2**31), "-2147483648"), (True, "true"), (False, "false")],
)
def test_extension_is_a_canonical_string_and_keeps_its_type_in_json(value: Any, text: str) -> None:
    event = read_one(structured(ext=value))
    assert event.attributes["ext"] == text
    assert event.document()["ext"] is value or event.document()["ext"] == value
    written = http_modes.write_structured(event)
    assert f'"ext":{text}' in written.decode()
    assert http_modes.write_structured(read_one(written)) == written
    assert http_modes.write_binary(event)[0]["ce-ext"] == text
    made = Event.of({**CORE, "ext": value})
    assert (made, made.typed) == (event, {"ext": value})


@pytest.mark.parametrize("text", ["5", "true", "-0"])
def test_extension_that_is_a_string_stays_one(text: str) -> None:
    assert f'"ext":"{text}"' in http_modes.write_structured(read_one(structured(ext=text))).decode()


@pytest.mark.parametrize(
    "value", ["1.5", "1.0", "1e2", "2147483648", "-2147483649", "9" * 400, "9" * 5000, "-0", "[]", "{}", "NaN"]
)
def test_read_rejects_an_invalid_attribute_value(value: str) -> None:
    assert rejected_attribute(structured()[:-1] + b',"ext":' + value.encode() + b"}") == "ext"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("-0", "give 0"),
        ("9" * 5000, "signed 32-bit integer"),
        ("2147483648", "signed 32-bit integer"),
        ("1.0", "neither"),
    ],
)
def test_read_says_why_an_extension_is_no_integer(value: str, reason: str) -> None:
    with pytest.raises(InvalidEvent, match=reason):
        read_one(structured()[:-1] + b',"ext":' + value.encode() + b"}")


def test_read_says_why_data_of_many_digits_is_rejected() -> None:
    with pytest.raises(InvalidEvent, match="data contains a number beyond a double"):
        read_one(structured()[:-1] + b',"data":' + b"9" * 5000 + b"}")


@pytest.mark.parametrize("character", ["\x00", "\x1f", "\x7f", "\x9f", "\ufdd0", "\ufffe", "\U0001ffff", "\U0010fffe"])
def test_read_rejects_forbidden_characters(character: str) -> None:
    assert rejected_attribute(structured(subject=f"a{character}b")) == "subject"
    assert rejected_attribute(structured(ext=character)) == "ext"


@pytest.mark.parametrize("escape", [r"\uD800", r"\uDEAD", r"\uDEAD\uD800", r"\uD800x"])
def test_read_rejects_unpaired_surrogates(escape: str) -> None:
    assert rejected_attribute(structured()[:-1] + f',"ext":"{escape}"}}'.encode()) == "ext"
    assert rejected_attribute(structured()[:-1] + f',"data":"{escape}"}}'.encode()) == "data"
    text = f',"datacontenttype":"text/plain","data":"{escape}"}}'
    assert rejected_attribute(structured()[:-1] + text.encode()) == "data"


def test_read_unescapes_names() -> None:
    body = structured(id=ABSENT)[:-1] + b', "\\u0069d" : "\\u0061" }'
    assert read_one(body).attributes["id"] == "a"
    assert rejected_attribute(structured()[:-1] + b',"\\u0069d":"2"}') == ""


# Data


def data_of(text: str, **attributes: str) -> Event:
    return read_one(structured(**attributes)[:-1] + f',"data":{text}}}'.encode())


@pytest.mark.parametrize(
    "text",
    [
        "null",
        '""',
        "12345678901234567890123",
        "1.10",
        "1E+2",
        "-0.0",
        '{"a" : 1,\n"a" : 2}',
        '"\\u0041\\/\\ud83d\\ude00"',
        "[]",
        '[ {"x":[{}]} ]',
        '"{\\"a\\":1}"',
    ],
)
def test_read_keeps_the_original_text_of_json_data(text: str) -> None:
    event = data_of(f" {text}\n")
    assert event.data == text.encode()
    assert text.encode() in http_modes.write_structured(event)
    assert read_one(http_modes.write_structured(event)) == event


def test_read_treats_null_as_data() -> None:
    assert data_of("null").has_data
    assert data_of("null").value is None
    assert not read_one(structured()).has_data


def test_read_does_not_parse_a_json_string_again() -> None:
    event = data_of('"{\\"a\\": 1}"', datacontenttype="application/json")
    assert event.value == '{"a": 1}'


def test_read_of_text_data_requires_a_string() -> None:
    event = data_of('"<a/>"', datacontenttype="text/xml")
    assert event.data == b"<a/>"
    assert event.document()["data"] == "<a/>"
    for other in ("{}", "1", "null", "[]"):
        with pytest.raises(InvalidEvent, match="data"):
            data_of(other, datacontenttype="text/xml")


def test_read_rejects_text_data_in_another_charset() -> None:
    with pytest.raises(InvalidEvent, match="charset"):
        data_of('"é"', datacontenttype="text/plain; charset=iso-8859-1")
    event = read_one(structured(datacontenttype="text/plain; charset=iso-8859-1", data_base64="6Q=="))
    assert event.data == b"\xe9"
    assert json.loads(http_modes.write_structured(event))["data_base64"] == "6Q=="


def test_read_keeps_binary_data_without_a_content_type_binary() -> None:
    body = structured(data_base64=b64encode(b'{"xyz": 123}').decode())
    event = read_one(body)
    assert event.data == b'{"xyz": 123}'
    assert json.loads(http_modes.write_structured(event)) == json.loads(body)
    assert "content-type" not in http_modes.write_binary(event)[0]


@pytest.mark.parametrize("text", ["A", "AA=", "AAAA=", "A A=", "AA==\n", "AA-_", "é", 1, True, {}, []])
def test_read_rejects_invalid_base64(text: Any) -> None:
    assert rejected_attribute(structured(data_base64=text)) == "data_base64"


def test_read_rejects_data_together_with_data_base64() -> None:
    assert rejected_attribute(structured(data=None, data_base64="AAAA")) == "data_base64"
    assert read_one(structured(data=1, data_base64=None)).value == 1
    assert not read_one(structured(data_base64=None)).has_data
    assert read_one(structured(data_base64="")).data == b""


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "01", "'a'", "[1,]", "{,}", '"\t"', ""])
def test_read_rejects_data_that_is_not_json(text: str) -> None:
    with pytest.raises(InvalidEvent):
        data_of(text)


@pytest.mark.parametrize("levels", [100_000, 2000, 129])
def test_read_rejects_deep_nesting_without_recursion(levels: int) -> None:
    for text in ("[" * levels + "]" * levels, '{"a":' * levels + "1" + "}" * levels, "[" * levels):
        with pytest.raises(InvalidEvent):
            data_of(text)
        with pytest.raises(InvalidEvent):
            read_headers(text.encode(), content_type="application/json")
        for headers in (STRUCTURED, BATCH):
            rejected_attribute(text.encode(), headers)


def test_read_accepts_nesting_up_to_the_limit() -> None:
    deep = "[" * 128 + "]" * 128
    assert data_of(deep).data == deep.encode()
    wide = "[" + ",".join(["[]"] * 1000) + ',"[[[["]'
    assert data_of(wide).data == wide.encode()
    with pytest.raises(InvalidEvent, match="nested"):
        data_of("[" + deep + "]")


@pytest.mark.parametrize("name", [*CORE, "ext", "data"])
def test_read_rejects_a_duplicate_member(name: str) -> None:
    assert rejected_attribute(structured(ext="v", data=1)[:-1] + f',"{name}":null}}'.encode()) == ""


# Modes


@pytest.mark.parametrize(
    "declared",
    [
        "application/cloudevents+json",
        "Application/CloudEvents+JSON",
        "application/cloudevents+json; charset=UTF-8",
        'application/cloudevents+json;charset="utf-8"',
        " application/cloudevents+json ",
    ],
)
def test_content_mode_recognizes_structured_mode(declared: str) -> None:
    assert http_modes.read({"content-TYPE": declared, "ce-id": "ignored"}, structured())[0].attributes == CORE


@pytest.mark.parametrize(
    "declared",
    [
        "application/cloudevents",
        "application/cloudevents+avro",
        "application/cloudevents+xml; charset=utf-8",
        "application/cloudevents-batch",
        "application/cloudevents-batch+protobuf",
        "application/cloudevents+json; charset=utf-16",
        "application/cloudevents+json+x",
    ],
)
def test_read_rejects_unsupported_formats(declared: str) -> None:
    with pytest.raises(UnsupportedFormat):
        http_modes.read({"content-type": declared}, structured())


@pytest.mark.parametrize("body", [b"", b" ", b"[]", b'"x"', b"1", b"null", b"{", b"{}x", b"\xef\xbb\xbf{}", b"{}{}"])
def test_read_in_structured_mode_rejects_all_but_one_object(body: bytes) -> None:
    rejected_attribute(body)


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"[,]", b"[{},]", b"[{}]]", b"[{}}", b"null", b"[{} {}]"])
def test_read_in_batched_mode_rejects_all_but_one_array(body: bytes) -> None:
    rejected_attribute(body, BATCH)


def test_read_accepts_batches_of_0_to_1000_events() -> None:
    assert http_modes.read(BATCH, b" [ ] ") == []
    many = [structured()] * 1001
    assert len(http_modes.read(BATCH, b"[" + b",".join(many[1:]) + b"]")) == 1000
    with pytest.raises(InvalidEvent, match="more than 1000"):
        http_modes.read(BATCH, b"[" + b",".join(many) + b"]")


def test_read_batch_reports_each_invalid_item() -> None:
    items = [structured(), structured(type=""), b"1", structured(data={"a": [1]}), structured(ext={"a": 1})]
    items += [structured()[:-1] + b',"data":"\\ud800"}', b"[]", b"{}"]
    results = http_modes.read_batch(b"[\n" + b" , ".join(items) + b"\n]")
    named = [result.attribute if isinstance(result, InvalidEvent) else "ok" for result in results]
    assert named == ["ok", "type", "", "ok", "ext", "data", "", "specversion"]
    assert [result.index for result in results if isinstance(result, InvalidEvent)] == [1, 2, 4, 5, 6, 7]
    assert isinstance(results[3], Event)
    assert results[3].data == b'{"a":[1]}'
    with pytest.raises(InvalidEvent, match="event 1: type"):
        http_modes.read(BATCH, b"[" + b",".join(items) + b"]")


# Binary mode


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("a b", "a b"),
        ('"a b"', "a b"),
        ('"a\\"b"', 'a"b'),
        ('"a\\\\b"', "a\\b"),
        ('x "a b" y', "x a b y"),
        ("%41%e2%82%ac", "A€"),
        ("100%25", "100%"),
        ("%2541", "%41"),
        ('"%22"', '"'),
        ("a\\b", "a\\b"),
    ],
)
def test_read_decodes_header_values_once(header: str, value: str) -> None:
    assert read_headers(ce_subject=header).attributes["subject"] == value


@pytest.mark.parametrize(
    "header",
    ["%C0%A0", "%E2%82", "%ED%A0%80", "%FF", "%", "100%", "%4", "%zz", '"a', 'a"b', '"a\\"', "é", "%00", "%EF%BF%BF"],
)
def test_read_rejects_malformed_header_values(header: str) -> None:
    with pytest.raises(InvalidEvent) as error:
        read_headers(ce_subject=header)
    assert error.value.attribute == "subject"


def test_read_rejects_a_ce_datacontenttype_header() -> None:
    assert read_headers(b"{}", content_type="application/json").attributes["datacontenttype"] == "application/json"
    with pytest.raises(InvalidEvent) as error:
        read_headers(b"{}", ce_datacontenttype="application/json")
    assert error.value.attribute == "datacontenttype"
    with pytest.raises(InvalidEvent) as error:
        read_headers(b"{}", content_type="json")
    assert error.value.attribute == "datacontenttype"


def test_read_joins_headers_of_the_same_name_in_another_case() -> None:
    assert http_modes.read_binary({f"CE-{name.upper()}": value for name, value in CORE.items()}, b"").attributes == CORE
    both = {f"ce-{name}": value for name, value in CORE.items()} | {"CE-ID": "2"}
    assert http_modes.read_binary(both, b"").attributes["id"] == "1, 2"


def test_read_keeps_the_body_as_data() -> None:
    assert read_headers(b"\x00\xff", content_type="application/octet-stream").data == b"\x00\xff"
    assert read_headers(b' {"a": 1}\n', content_type="application/json").data == b' {"a": 1}\n'
    assert not read_headers(b"", content_type="application/json").has_data
    assert read_headers(b"{}").data == b"{}"


@pytest.mark.parametrize("body", [b"{", b"I'm just a string", b"\xff", b"NaN"])
def test_read_rejects_a_body_declared_as_json_that_is_not(body: bytes) -> None:
    with pytest.raises(InvalidEvent) as error:
        read_headers(body, content_type="application/vnd.x+json; charset=utf-8")
    assert error.value.attribute == "data"


# Writing


def test_write_structured_writes_equal_events_to_equal_bytes() -> None:
    one = Event({**CORE, "b": "1", "a": "2", "time": "2018-04-05T17:31:00Z"}, b' {"x": 1} ')
    two = Event(dict(reversed(one.attributes.items())), b'{"x": 1}')
    written = (
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2018-04-05T17:31:00Z",'
        b'"a":"2","b":"1","data":{"x": 1}}'
    )
    assert http_modes.write_structured(one) == http_modes.write_structured(two) == written


def test_write_structured_writes_invalid_json_as_base64() -> None:
    event = Event({**CORE, "datacontenttype": "application/json"}, b"not json")
    assert json.loads(http_modes.write_structured(event))["data_base64"] == b64encode(b"not json").decode()
    assert not event.is_json
    with pytest.raises(InvalidEvent):
        _ = event.value


def test_event_of_python_values_has_them_as_attributes_and_data() -> None:
    event = Event.of({"id": "1", "source": "/s", "type": "t", "subject": None, "n": 5}, {"a": [1, None]})
    assert event == Event({**CORE, "n": "5"}, b'{"a":[1,null]}')
    assert Event.of(CORE).data is None
    assert Event.of(CORE, None).data == b"null"
    with pytest.raises(InvalidEvent):
        Event.of(CORE, object())
    with pytest.raises(InvalidEvent):
        Event.of({**CORE, "n": 2**31})


def test_document_equals_the_structured_form() -> None:
    for attributes, data in (
        (CORE, b'{"a": 1}'),
        ({**CORE, "datacontenttype": "text/plain"}, b"hello"),
        ({**CORE, "datacontenttype": "image/png"}, b"\x89PNG"),
        (CORE, None),
    ):
        event = Event(dict(attributes), data)
        assert event.document() == json.loads(http_modes.write_structured(event))
