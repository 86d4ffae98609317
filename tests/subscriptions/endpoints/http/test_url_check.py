"""URLs that may be saved as an endpoint's, and those that may not."""

from uuid import UUID

import pytest

from subscriptions.endpoints.http import url_check
from subscriptions.errors import Invalid
from tests.dns_server import Answer
from webhooks.outgoing import resolver
from webhooks.outgoing.errors import TooManyLookups

TENANT = UUID(int=1)


def check_url(url):
    return url_check.checked_url(url, TENANT)


def error_of(url):
    with pytest.raises(Invalid) as caught:
        check_url(url)
    assert caught.value.field == "url"
    return caught.value.message


def test_check_url_accepts_a_public_address():
    check_url("https://example.com/webhooks")


def test_check_url_accepts_a_public_name_that_does_not_resolve_yet():
    check_url("https://soon.example.com/")


def test_check_url_accepts_a_public_name_when_the_lookup_times_out(dns, monkeypatch):
    monkeypatch.setattr(resolver, "LOOKUP_SECONDS", 0.05)
    dns.answers["example.com"] = Answer(hangs=True)
    check_url("https://example.com/")


def test_check_url_beyond_the_lookups_of_the_tenant_names_the_limit(dns, monkeypatch, settings):
    settings.WAYPOST_LOOKUPS_PER_TENANT = 1
    monkeypatch.setattr(resolver, "QUEUED_PER_PLACE", 0)
    dns.answers["hangs.example.com"] = Answer(hangs=True)
    resolver.resolve("hangs.example.com", TENANT)
    with pytest.raises(TooManyLookups, match="At most 1 host names"):
        check_url("https://example.com/")
    url_check.checked_url("https://example.com/", UUID(int=2))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/",
        "https://metadata.google.internal/",
        "https://user@example.com/",
        "https://example.com/#here",
        "ftp://example.com/",
        "example.com",
        "",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_check_url_rejects_forbidden_urls(url):
    assert error_of(url)


def test_check_url_error_does_not_reveal_where_a_name_leads():
    assert (
        error_of("https://inside.example.com/")
        == error_of("https://both.example.com/")
        == error_of("https://10.1.2.3/")
    )


def test_check_url_accepts_http_and_networks_that_the_operator_allows(settings):
    settings.WAYPOST_ALLOW_HTTP = True
    settings.WAYPOST_ALLOW_NETWORKS = ["127.0.0.0/8", "::1/128"]
    check_url("http://127.0.0.1:8080/")
    check_url("http://localhost:8080/")
    assert error_of("http://10.0.0.1/")


def test_check_url_rejects_an_internal_name_that_does_not_resolve(settings):
    settings.WAYPOST_ALLOW_NETWORKS = ["127.0.0.0/8"]
    assert error_of("https://metadata.google.internal/")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://bücher.example/h", "https://xn--bcher-kva.example/h"),
        ("https://BÜCHER.Example.:443/h", "https://xn--bcher-kva.example/h"),
        ("https://example.com/grün?q=é", "https://example.com/gr%C3%BCn?q=%C3%A9"),
        ("https://example.com/😱", "https://example.com/%F0%9F%98%B1"),
        ("https://example.com", "https://example.com/"),
        ("https://example.com?a=b", "https://example.com/?a=b"),
        ("https://example.com/a%2Fb/../c?x=%C3%BC", "https://example.com/a%2Fb/../c?x=%C3%BC"),
        ("https://example.com/{a}|b", "https://example.com/%7Ba%7D%7Cb"),
    ],
)
def test_checked_url_is_the_form_that_is_sent(given, sent):
    assert check_url(given) == sent
    assert check_url(sent) == sent


def test_checked_url_that_is_too_long_once_it_is_encoded_is_refused():
    assert error_of("https://example.com/" + "ü" * 500) == "Must be at most 2048 characters once it is percent-encoded."
