"""Test that the headers of a proxy are used from listed proxies only."""

from typing import Any

import pytest

from webhooks.kit.clients import Client, client_of, network_of

HEADERS = {"x-forwarded-for": "203.0.113.9, 198.51.100.7", "x-forwarded-proto": "https"}


def test_headers_of_an_unlisted_peer_mean_nothing() -> None:
    assert client_of("198.51.100.7", "http", HEADERS) == Client("198.51.100.7", "http", is_proxied=False)


@pytest.mark.parametrize(
    ("forwarded_for", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.1, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("203.0.113.9, not an address", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("10.1.2.3", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("spoofed", "10.0.0.1"),
    ],
)
def test_address_is_the_last_one_that_is_not_a_proxy(settings: Any, forwarded_for: str, address: str) -> None:
    settings.WAYPOST_TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert client_of("10.0.0.1", "http", {"x-forwarded-for": forwarded_for}).address == address


@pytest.mark.parametrize(
    ("proto", "scheme"), [("https", "https"), ("HTTP", "http"), ("http, https", "https"), ("ftp", "http"), ("", "http")]
)
def test_scheme_is_what_the_trusted_proxy_says(settings: Any, proto: str, scheme: str) -> None:
    settings.WAYPOST_TRUSTED_PROXIES = ["10.0.0.1/32"]
    assert client_of("10.0.0.1", "http", {"x-forwarded-proto": proto}).scheme == scheme


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.7"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_client_is_an_ipv4_address_or_an_ipv6_network(address: str, network: str) -> None:
    assert network_of(address) == network
