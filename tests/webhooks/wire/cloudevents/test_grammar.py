"""Check URIs, timestamps and content types against their standards."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.cloudevents.grammar import (
    MediaType,
    is_absolute_uri,
    is_timestamp,
    is_uri_reference,
    media_type,
    timestamp,
)

ABSOLUTE = [
    "https://github.com/cloudevents",
    "mailto:cncf-wg-serverless@lists.cncf.io",
    "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
    "ftp://ftp.is.co.za/rfc/rfc1808.txt",
    "ldap://[2001:db8::7]/c=GB?objectClass?one",
    "telnet://192.0.2.16:80/",
    "tel:+1-816-555-1212",
    "http://user:pw@example.com:/",
    "http://[v7.a:b]/",
    "http://[::ffff:192.0.2.1]/",
    "file:///etc/hosts",
    "x:",
    "a+b-c.d:e",
    "https://example.com/%C3%A9?a=b/c?d",
]
WITH_FRAGMENT = ["https://example.com/schema#/definitions/a", "x:#"]
RELATIVE = [
    *("/cloudevents/spec/pull/123", "cloudevents/spec", "/sensors/tn-1234567/alerts", "1-555-123-4567"),
    *("//host/x", "./a:b", "?q", "#f", "..", "a/b:c", "/", "@x", "*"),
]
NEITHER = [
    *("a b", "/é", "/%zz", "/%4", "a[b]", "<x>", "a\\b", "a|b", "a^b", "`", '"', "{x}", "\n", "/a\n", "\x7f"),
    *("http://[::1", "http://[::g]/", "http://[1.2.3.4]/", "http://[fe80::1%25e]/", "http://a:b/"),
    *("1:2", ":a", "http://a#b#c"),
]


@pytest.mark.parametrize("value", ABSOLUTE)
def test_is_absolute_uri_accepts_valid(value: str) -> None:
    assert is_absolute_uri(value)
    assert is_uri_reference(value)


@pytest.mark.parametrize("value", WITH_FRAGMENT + RELATIVE)
def test_is_absolute_uri_rejects_fragments_and_relative_references(value: str) -> None:
    assert is_uri_reference(value)
    assert not is_absolute_uri(value)


@pytest.mark.parametrize("value", NEITHER)
def test_uri_checks_reject_invalid(value: str) -> None:
    assert not is_uri_reference(value)
    assert not is_absolute_uri(value)


@given(st.text(st.sampled_from("a:/?#[]@%4é .")))
def test_is_uri_reference_accepts_every_absolute_uri(value: str) -> None:
    assert is_uri_reference(value) >= is_absolute_uri(value)


@pytest.mark.parametrize(
    "value",
    [
        "2018-04-05T17:31:00Z",
        "1985-04-12T23:20:50.52Z",
        "1996-12-19T16:39:57-08:00",
        "1937-01-01T12:00:27.87+00:20",
        "2018-04-05t17:31:00z",
        "2018-04-05T17:31:00.123456789012Z",
        "2018-04-05T17:31:00-00:00",
        "2018-04-05T17:31:00+23:59",
        "2024-02-29T00:00:00Z",
        "2000-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "1990-12-31T23:59:60Z",
        "1990-12-31T15:59:60-08:00",
        "1991-01-01T00:59:60.5+01:00",
        "9999-12-31T23:59:60Z",
    ],
)
def test_is_timestamp_accepts_valid(value: str) -> None:
    assert is_timestamp(value)


@pytest.mark.parametrize(
    "value",
    [
        *("", "2018-04-05", "2018-04-05 17:31", "2018-04-05T17:31Z", "2018-04-05T17:31:00", "17:31:00Z"),
        *("2018-04-05 17:31:00Z", "2018-4-5T17:31:00Z", "18-04-05T17:31:00Z", "2018-04-05T17:31:00.Z"),
        *("2018-13-05T17:31:00Z", "2018-00-05T17:31:00Z", "2018-04-31T17:31:00Z", "2018-04-00T17:31:00Z"),
        *("2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2018-04-05T24:00:00Z", "2018-04-05T17:60:00Z"),
        *("2018-04-05T17:31:61Z", "2018-04-05T17:31:60Z", "1990-12-31T23:59:60-08:00", "1990-12-30T23:59:60Z"),
        *("2018-04-05T17:31:00+24:00", "2018-04-05T17:31:00+0100", "2018-04-05T17:31:00+01", "20180405T173100Z"),
        *(
            "2018-04-05T17:31:00Z\n",
            " 2018-04-05T17:31:00Z",
            "٢٠١٨-04-05T17:31:00Z",
            "1522949460",
            "2018-W14-4",
            "040.-01-01T00:00:00Z",
        ),
    ],
)
def test_is_timestamp_rejects_invalid(value: str) -> None:
    assert not is_timestamp(value)


@given(
    st.datetimes(
        timezones=st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
            lambda offset: timezone(timedelta(minutes=offset // timedelta(minutes=1)))
        )
    )
)
def test_is_timestamp_accepts_isoformat(instant: datetime) -> None:
    assert is_timestamp(instant.isoformat())


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1)))
def test_timestamp_is_parsed_by_the_standard_library(instant: datetime) -> None:
    written = timestamp(instant)
    assert is_timestamp(written)
    assert datetime.fromisoformat(written) == instant


@pytest.mark.parametrize(
    ("value", "name", "charset"),
    [
        ("application/json", "application/json", ""),
        ("Text/Plain; Charset=UTF-8", "text/plain", "utf-8"),
        ('text/plain ;charset="iso-8859-1" ; x=y', "text/plain", "iso-8859-1"),
        ("application/vnd.a+json;", "application/vnd.a+json", ""),
        ("a/b;x=y;;charset=us-ascii", "a/b", "us-ascii"),
        ('a/b;x="c\\"d;charset=z"', "a/b", ""),
    ],
)
def test_media_type_parses_name_and_charset(value: str, name: str, charset: str) -> None:
    assert media_type(value) == MediaType(name, charset)


@pytest.mark.parametrize(
    "value",
    ["", "text", "text/", "/plain", "a b/c", "a/b c", "a/b;x", "a/b;x=", "a/b;=y", 'a/b;x="', "a/b, c", "é/b"],
)
def test_media_type_rejects_invalid(value: str) -> None:
    assert media_type(value) is None


@pytest.mark.parametrize(
    ("value", "is_json", "is_text"),
    [
        ("application/json", True, False),
        ("text/json", True, True),
        ("application/problem+JSON; charset=utf-8", True, False),
        ("application/jsonp", False, False),
        ("application/json-seq", False, False),
        ("text/csv", False, True),
        ("application/xml", False, True),
        ("image/svg+xml", False, True),
        ("text/plain; charset=utf-16", False, False),
        ("image/png", False, False),
    ],
)
def test_media_type_recognizes_json_and_text(value: str, is_json: bool, is_text: bool) -> None:
    found = media_type(value)
    assert found is not None
    assert (found.is_json, found.is_text) == (is_json, is_text)


def test_media_type_caches_short_values_only() -> None:
    long = "/" + "x" * 1000
    assert is_uri_reference(long)
    assert not is_uri_reference(long + " ")
    assert media_type("text/" + "x" * 1000) == media_type("TEXT/" + "x" * 1000)
    assert media_type("text/" + "x" * 1000) is not media_type("text/" + "x" * 1000)
    assert media_type("text/x") is media_type("text/x")


@pytest.mark.parametrize("value", ["\ud800", "/\ud800", "x:\udfff"])
def test_uri_checks_reject_unpaired_surrogates(value: str) -> None:
    assert not is_uri_reference(value)
    assert not is_absolute_uri(value)
