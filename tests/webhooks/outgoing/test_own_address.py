"""The one exception to the rule that tenants may not make the platform call itself: its request inspectors."""

from typing import Any

import pytest

from webhooks.outgoing.own_address import inspector_filter, is_inspector
from webhooks.wire.addresses.parsed_url import parse

TOKEN = "t" * 43
PATH = f"/inspect/{TOKEN}/"
LOCAL = "http://127.0.0.1:8000"


@pytest.fixture(autouse=True)
def public_url(settings: Any) -> None:
    settings.PUBLIC_URL, settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = LOCAL, False, []


@pytest.mark.parametrize("path", [PATH, PATH.rstrip("/")])
def test_address_of_an_inspector_is_recognized(path: str) -> None:
    assert is_inspector(parse(LOCAL + path, allow_http=True))


@pytest.mark.parametrize(
    "url",
    [
        f"{LOCAL}/",
        f"{LOCAL}/admin/",
        f"{LOCAL}/inspect/",
        f"{LOCAL}/inspectors/{TOKEN}/",
        f"{LOCAL}{PATH}more",
        f"{LOCAL}{PATH}../../admin/",
        f"{LOCAL}{PATH}%2e%2e/%2e%2e/admin/",
        f"{LOCAL}{PATH}?next=/admin/",
        f"{LOCAL}//inspect/{TOKEN}/",
        f"{LOCAL}/inspect/{TOKEN[1:]}/",
        f"{LOCAL}/inspect/{TOKEN[1:]}./",
        f"https://127.0.0.1:8000{PATH}",
        f"http://127.0.0.1:8001{PATH}",
        f"http://127.0.0.1{PATH}",
        f"http://127.0.0.2:8000{PATH}",
        f"http://[::1]:8000{PATH}",
        f"http://localhost:8000{PATH}",
        f"http://rebound.example.com:8000{PATH}",
    ],
)
def test_other_address_is_no_inspector(url: str) -> None:
    assert inspector_filter(parse(url, allow_http=True)) is None


def test_delivery_to_an_inspector_connects_to_the_address_in_the_public_url_only() -> None:
    admits = inspector_filter(parse(LOCAL + PATH, allow_http=True))
    assert admits is not None
    assert [ip for ip in ("127.0.0.1", "127.0.0.2", "::1", "10.0.0.7", "93.184.215.14") if admits(ip)] == ["127.0.0.1"]


def test_delivery_to_an_inspector_at_localhost_connects_to_loopback_only(settings: Any) -> None:
    settings.PUBLIC_URL = "http://localhost:8000"
    admits = inspector_filter(parse(f"http://localhost:8000{PATH}", allow_http=True))
    assert admits is not None
    assert [ip for ip in ("127.0.0.1", "::1", "10.0.0.7", "93.184.215.14") if admits(ip)] == ["127.0.0.1", "::1"]


def test_delivery_to_an_inspector_at_a_name_connects_where_every_delivery_may(settings: Any) -> None:
    settings.PUBLIC_URL = "https://waypost.example.com"
    admits = inspector_filter(parse(f"https://waypost.example.com{PATH}", allow_http=True))
    assert admits is not None
    assert [ip for ip in ("127.0.0.1", "10.0.0.7", "93.184.215.14") if admits(ip)] == ["93.184.215.14"]


def test_platform_without_a_public_url_has_no_inspector_addresses(settings: Any) -> None:
    settings.PUBLIC_URL = ""
    assert inspector_filter(parse(LOCAL + PATH, allow_http=True)) is None
