"""Test that hosts of brokers and databases are checked like those of URLs, with any port."""

import pytest

from tests.dns_server import Answer, DnsServer
from webhooks.outgoing.errors import HostNotResolved
from webhooks.outgoing.guarded_host import check_host, split_host
from webhooks.wire.addresses.parsed_url import ForbiddenAddress


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kafka.example.com", ("kafka.example.com", 9092)),
        (" kafka.example.com:9094 ", ("kafka.example.com", 9094)),
        ("192.0.2.1:1", ("192.0.2.1", 1)),
        ("[2001:db8::1]:9093", ("2001:db8::1", 9093)),
        ("[2001:db8::1]", ("2001:db8::1", 9092)),
    ],
)
def test_split_host_returns_host_and_port(text, expected):
    assert split_host(text, 9092) == expected


@pytest.mark.parametrize(
    "text", ["a:0", "a:65536", "a:0065535999", "a:", "a:x", "a:-1", "::1", "2001:db8::1:9092", "a:²", "a:1:2"]
)
def test_split_host_refuses_what_is_no_host_and_port(text):
    with pytest.raises(ForbiddenAddress):
        split_host(text, 9092)


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "localhost", "kafka.internal", "kafka", "0x7f.1", "a b"]
)
def test_check_host_refuses_addresses_and_names_that_are_not_public(host):
    with pytest.raises(ForbiddenAddress):
        check_host(host, 9092, share="t")


def test_check_host_returns_the_addresses_of_a_public_name_at_the_port_of_its_service(dns: DnsServer):
    dns.answers["kafka.example.com"] = Answer(("93.184.216.34",))
    assert check_host("kafka.example.com", 9092, share="t") == ["93.184.216.34"]
    assert check_host("93.184.216.34", 5432, share="t") == ["93.184.216.34"]


def test_check_host_refuses_a_name_with_one_internal_address_and_one_without_any(dns: DnsServer):
    dns.answers["mixed.example.com"] = Answer(
        (
            "93.184.216.34",
            "10.0.0.1",
        )
    )
    with pytest.raises(ForbiddenAddress):
        check_host("mixed.example.com", 9092, share="t")
    with pytest.raises(HostNotResolved):
        check_host("absent.example.com", 9092, share="t")


def test_check_host_accepts_networks_of_the_operator(settings):
    settings.WAYPOST_ALLOW_NETWORKS = ["127.0.0.0/8"]
    assert check_host("127.0.0.1", 9092, share="t") == ["127.0.0.1"]


def test_check_host_refuses_the_platform_itself(settings):
    settings.WAYPOST_ALLOW_NETWORKS, settings.PUBLIC_URL = ["127.0.0.0/8"], "http://127.0.0.1:8700"
    settings.WAYPOST_ALLOW_SELF = False
    with pytest.raises(ForbiddenAddress):
        check_host("127.0.0.1", 8700, share="t")
    assert check_host("127.0.0.1", 8701, share="t") == ["127.0.0.1"]
