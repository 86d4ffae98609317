"""Check that URLs are normalized, and that ambiguous ones are rejected."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.addresses.parsed_url import ForbiddenAddress, ParsedUrl, parse


def reason(url: str, *, allow_http: bool = True) -> str:
    with pytest.raises(ForbiddenAddress) as caught:
        parse(url, allow_http=allow_http)
    return caught.value.reason


@pytest.mark.parametrize(
    ("url", "out"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://EXAMPLE.com./A?b=C", "https://example.com/A?b=C"),
        ("https://example.com:443/", "https://example.com/"),
        ("http://example.com:80/", "http://example.com/"),
        ("http://example.com:443/", "http://example.com:443/"),
        ("https://example.com?x=1", "https://example.com/?x=1"),
        ("https://example.com//a/../b;c=d", "https://example.com//a/../b;c=d"),
        ("https://example.com/%7Euser/a%2Fb%0d%0a", "https://example.com/%7Euser/a%2Fb%0d%0a"),
        ("https://example.com/caf\u00e9?q=\u65e5", "https://example.com/caf%C3%A9?q=%E6%97%A5"),
        ('https://example.com/"<a>|{b}`^', "https://example.com/%22%3Ca%3E%7C%7Bb%7D%60%5E"),
        ("https://example.com/?a[]=1&b=x@y:z", "https://example.com/?a[]=1&b=x@y:z"),
        ("https://1.1.1.1:8443/", "https://1.1.1.1:8443/"),
        ("https://[2606:4700:4700:0:0:0:0:1111]:8443/x", "https://[2606:4700:4700::1111]:8443/x"),
        ("https://b\u00fccher.example.com/", "https://xn--bcher-kva.example.com/"),
        ("https://B\u00dcCHER.example.com/", "https://xn--bcher-kva.example.com/"),
        ("https://bu\u0308cher.example.com/", "https://xn--bcher-kva.example.com/"),
        ("https://fa\u00df.de/", "https://xn--fa-hia.de/"),
        ("https://xn--fa-hia.de/", "https://xn--fa-hia.de/"),
        ("https://\u4f8b\u3048.jp/", "https://xn--r8jz45g.jp/"),
        ("https://r3---sn-4g5e.example.com/", "https://r3---sn-4g5e.example.com/"),
        ("https://127.0.0.1.example.com/", "https://127.0.0.1.example.com/"),
        ("https://0x7f.1.example/", "https://0x7f.1.example/"),
    ],
)
def test_parse_normalizes_a_url(url: str, out: str) -> None:
    target = parse(url, allow_http=True)
    assert target.url == out
    assert parse(out, allow_http=True) == target


def test_parsed_url_has_authority_and_origin() -> None:
    target = parse("https://[2606:4700:4700::1111]:8443/hook?x=1")
    assert target == ParsedUrl("https", "2606:4700:4700::1111", 8443, "/hook?x=1", True, None)
    assert target.authority == "[2606:4700:4700::1111]:8443"
    assert target.origin == "https://[2606:4700:4700::1111]:8443"


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com", "//example.com/", "https:/example.com", "https:example.com", "/hook"),
        *("javascript:alert(1)", "://example.com", "1http://example.com", "data:,x", "file:/etc/passwd"),
        *("https://[::1]evil.example/", "https://[::1", "https://::1/", "https://a]b/", "https://[[::1]]/"),
        "https://a.com/" + "x" * 8000,
    ],
)
def test_parse_rejects_text_that_is_no_absolute_url(url: str) -> None:
    assert reason(url) == "syntax"


@pytest.mark.parametrize("scheme", ["ftp", "file", "gopher", "ssh", "ws", "wss", "dict", "ldap", "httpss"])
def test_parse_rejects_other_schemes(scheme: str) -> None:
    assert reason(f"{scheme}://example.com/") == "scheme"
    with pytest.raises(ForbiddenAddress, match=r"^Must begin with https://$"):
        parse(f"{scheme}://example.com/")


def test_parse_rejects_http_unless_allowed() -> None:
    assert reason("http://example.com/", allow_http=False) == "scheme"
    assert reason("https://example.com:80/", allow_http=False) == "port"
    assert parse("http://example.com/", allow_http=True).port == 80


@pytest.mark.parametrize(
    "url",
    [
        *("https://user:pass@example.com/", "https://user@example.com/", "https://@example.com/"),
        *("http://example.com@127.0.0.1/", "http://[::1]@example.com/", "https://a:b@c:d@example.com/"),
        "https://example.com:443@evil.example/",
    ],
)
def test_parse_rejects_user_names(url: str) -> None:
    assert reason(url) == "userinfo"


@pytest.mark.parametrize("place", ["https://exam{}ple.com/", "https://example.com/a{}b", "{}https://a.com/"])
@pytest.mark.parametrize(
    "character",
    [
        *("\n", "\r", "\t", "\0", "\x0b", "\x1f", "\x7f", "\x85", " ", "\u00a0", "\u3000", "\u2028"),
        *("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u202e", "\ud800", "\\", "#"),
    ],
)
def test_parse_rejects_spaces_control_and_invisible_characters(place: str, character: str) -> None:
    assert reason(place.format(character)) == "character"


@pytest.mark.parametrize(
    "host",
    [
        *("", ".", "a..com", ".example.com", "example.com..", "-a.com", "a-.com", "a" * 64 + ".com"),
        *("exa%6dple.com", "%31.example.com", "a_b.example.com", "a*b.com", "a,b.com", "a'b.com", "a&b.com"),
        *("[fe80::1%25eth0]", "[::1%eth0]", "[]", "[1.1.1.1]", "[:::1]", "[::g]", "[::ffff:127.1]"),
        *("xn--a.com", "xn--\u00fc.com", "xn--.com", "\U0001f4a9.la", "a\u2260b.com"),
        *("\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\u2460.1.1.1", "\uff45xample.com"),
        *("127\uff0e0.0.1", "exa\u034fmple.com", "exam\ufe0fple.com", "\u212aelvin.com", "a\u2024com"),
        ".".join(["a" * 60] * 5),
    ],
)
def test_parse_rejects_an_invalid_host(host: str) -> None:
    assert reason(f"https://{host}/") == "host"


@pytest.mark.parametrize(
    "host",
    [
        *("127.1", "127.0.1", "2130706433", "0x7f000001", "0X7F.0.0.1", "0177.0.0.1", "017700000001"),
        *("127.0.0.01", "127.0.0.1.", "256.1.1.1", "1.1.1.1.1", "1.1.1.", "0", "0x", "00000000000000000177.1"),
        *("1.1.1.0x1", "example.123", "example.0x1f", "1.1.1.1.", "9" * 40, "127.0.0.1.1."),
    ],
)
def test_parse_rejects_other_spellings_of_ipv4(host: str) -> None:
    assert reason(f"https://{host}/") == "spelling"


@pytest.mark.parametrize(
    "port", ["", "0", "00", "65536", "99999", "123456", "-1", "+443", "0443", "8o", "44 3", "1e3", "\uff14"]
)
def test_parse_rejects_an_invalid_port(port: str) -> None:
    assert reason(f"https://example.com:{port}/") in {"port", "character"}


@pytest.mark.parametrize("port", [1, 7, 21, 22, 23, 25, 53, 110, 139, 143, 445, 465, 587, 636, 873, 993, 1023])
def test_parse_rejects_low_ports(port: int) -> None:
    assert reason(f"https://example.com:{port}/") == "port"


@pytest.mark.parametrize("port", [6379, 11211, 5432, 3306, 27017, 9200, 2375, 2379, 6000, 6667, 10080, 5060])
def test_parse_marks_service_ports_as_reserved(port: int) -> None:
    assert parse(f"https://example.com:{port}/").reserved == "port"


@pytest.mark.parametrize("port", [443, 1024, 3000, 5000, 8000, 8080, 8443, 9000, 49152, 65535])
def test_parse_does_not_reserve_ports_of_web_servers(port: int) -> None:
    assert parse(f"https://example.com:{port}/").reserved is None


@pytest.mark.parametrize(
    "name",
    [
        *("localhost", "LOCALHOST", "localhost.", "foo.localhost", "ip6-localhost", "intranet", "backend"),
        *("printer.local", "metadata.google.internal", "router.lan", "nas.home.arpa", "x.test", "x.invalid"),
        *("localhost.localdomain", "abc.onion", "api.default.svc", "api.default.svc.cluster.local"),
        *("web.service.consul", "host.docker.internal", "a.corp", "a.b.c.internal."),
    ],
)
def test_parse_marks_internal_names_as_reserved(name: str) -> None:
    assert parse(f"https://{name}/").reserved == "name"


@pytest.mark.parametrize(
    "name", ["localhost.example.com", "mylocal.com", "internal.example.com", "test.com", "arpa.net", "lan.eu"]
)
def test_parse_does_not_reserve_public_names(name: str) -> None:
    assert parse(f"https://{name}/").reserved is None


@given(st.text() | st.from_regex(r"https?://[^/]{0,30}(:[0-9]{1,5})?(/.{0,20})?", fullmatch=True))
def test_parse_accepts_or_rejects_any_text(text: str) -> None:
    try:
        target = parse(text, allow_http=True)
    except ForbiddenAddress:
        return
    assert target.url.isascii()
    assert target.url.isprintable()
    assert parse(target.url, allow_http=True) == target


@given(st.from_regex(r"https://[a-z0-9.:@\[\]%\-]{1,30}[/?]?.{0,20}", fullmatch=True))
def test_parse_result_has_the_same_host_for_urlsplit(text: str) -> None:
    try:
        target = parse(text)
    except ForbiddenAddress:
        return
    parts = urlsplit(target.url)
    assert parts.hostname == target.host
    assert (parts.port or 443) == target.port
    assert parts.username is None


def test_forbidden_address_has_a_reason_and_a_message() -> None:
    error = ForbiddenAddress("address")
    assert isinstance(error, ValueError)
    assert error.reason == "address"
    assert str(error).startswith("This address may not be called: ")
    assert "WAYPOST_ALLOW_NETWORKS" in str(error)
