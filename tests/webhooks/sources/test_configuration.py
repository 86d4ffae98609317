"""A source whose keys could never be fetched is rejected when it is saved."""

from typing import Any

import pytest

from tests.dns_server import Answer, DnsServer
from webhooks.sources.configuration import InvalidConfiguration, check_configuration


def check(url: str) -> dict[str, str]:
    return check_configuration("jwt", [], {"jwks_url": url, "audience": "us"}, tenant_id=None)


@pytest.fixture(autouse=True)
def names(dns: DnsServer, settings: Any) -> None:
    settings.PUBLIC_URL, settings.WAYPOST_ALLOW_SELF = "https://us.example.com", False
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = False, []
    dns.answers |= {
        "keys.example.com": Answer(("93.184.215.14",)),
        "inside.example.com": Answer(("10.0.0.7",)),
        "us.example.com": Answer(("93.184.215.15",)),
    }


@pytest.mark.parametrize("url", ["https://keys.example.com/jwks", "https://soon.example.com/jwks"])
def test_key_server_at_a_public_address_or_not_yet_in_the_dns_is_accepted(url: str) -> None:
    check(url)


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("https://KEYS.example.com/jwks", "https://keys.example.com/jwks"),
        (
            "https://b\u00fccher.example.com/gr\u00fcn?a=\U0001f631",
            "https://xn--bcher-kva.example.com/gr%C3%BCn?a=%F0%9F%98%B1",
        ),
        ("https://keys.example.com", "https://keys.example.com/"),
    ],
)
def test_address_of_keys_is_stored_as_it_is_called(url: str, called: str) -> None:
    assert check(url) == {"jwks_url": called, "audience": "us"}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://us.example.com/in/src_1/", "Must not be Waypost's own address"),
        ("https://inside.example.com/jwks", "may not be called"),
        ("https://127.0.0.1/jwks", "may not be called"),
        ("http://keys.example.com/jwks", "https"),
    ],
)
def test_key_server_that_may_not_be_called_is_rejected(url: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message) as error:
        check(url)
    assert error.value.field == "options"


def test_key_server_at_the_deployment_itself_is_accepted_where_the_operator_allows_it(settings: Any) -> None:
    settings.WAYPOST_ALLOW_SELF = True
    check("https://us.example.com/in/src_1/")
