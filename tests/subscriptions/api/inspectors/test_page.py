"""The page of an inspector: its address is its secret, and what arrived is only text."""

import time

import pytest
from django.test import Client

from subscriptions.api.inspectors import page
from subscriptions.inspectors.inspectors import create_inspector, url_of
from subscriptions.inspectors.requests import Arrival, keep_request
from subscriptions.models import Inspector
from tests.factories import make_endpoint, make_tenant
from webhooks.wire.signing import sign
from webhooks.wire.signing.keys import new_secret

pytestmark = pytest.mark.django_db

ATTACK = b'{"type": "<script>alert(1)</script>", "a": "</code><img src=x onerror=alert(1)>"}'


@pytest.fixture
def inspector() -> Inspector:
    return create_inspector(make_tenant(), name="Shop")


def path_of(inspector: Inspector) -> str:
    return f"/inspectors/{inspector.page_token}/"


def test_page_spreads_its_address_to_no_other_site(inspector: Inspector, client: Client) -> None:
    for response in (
        client.get(path_of(inspector)),
        client.get(f"{path_of(inspector)}newer/"),
        client.get("/inspectors/unknown/"),
    ):
        assert response["Referrer-Policy"] == "no-referrer"
        assert "noindex" in response["X-Robots-Tag"]
        assert "no-store" in response["Cache-Control"]
        policy = response["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert not response.cookies


def test_page_has_no_inline_script_or_style(inspector: Inspector, client: Client) -> None:
    keep_request(inspector, Arrival("POST", "/", {"x-a": "<b>"}, ATTACK))
    text = client.get(path_of(inspector)).content.decode()
    assert text.count("<script") == text.count("<script src=") == 1
    assert "<style" not in text
    assert " style=" not in text
    assert "<img" not in text


def test_page_shows_the_newest_request_first(inspector: Inspector, client: Client) -> None:
    first = keep_request(inspector, Arrival("POST", "/", {}, b'{"type":"order.paid","data":{"total":42.0}}'))
    second = keep_request(inspector, Arrival("PUT", "/other?a=1&b", {"ce-type": "order.sent"}, b"\xff"))
    text = client.get(path_of(inspector)).content.decode()
    assert text.index(second.public_id) < text.index(first.public_id)
    assert "&quot;total&quot;: 42.0" in text
    assert "order.sent" in text
    assert "Not UTF-8: 1 bytes" in text
    assert "?a=1&amp;b" in text
    assert "No endpoint of the tenant" in text


def test_requests_since_the_newest_shown_are_sent_alone(inspector: Inspector, client: Client) -> None:
    first = keep_request(inspector, Arrival("POST", "/", {}, b"{}"))
    path = f"{path_of(inspector)}newer/?after={first.public_id}"
    assert client.get(path).status_code == 204
    second = keep_request(inspector, Arrival("POST", "/", {}, b"{}"))
    text = client.get(path).content.decode()
    assert second.public_id in text
    assert first.public_id not in text
    assert first.public_id in client.get(f"{path_of(inspector)}newer/?after=nonsense").content.decode()


def test_long_body_is_shown_in_part(inspector: Inspector, client: Client) -> None:
    keep_request(inspector, Arrival("POST", "/", {}, b"x" * (page.SHOWN_BODY + 1)))
    text = client.get(path_of(inspector)).content.decode()
    assert "The beginning of 16,385 bytes." in text
    assert "x" * (page.SHOWN_BODY + 1) not in text


def test_page_of_an_unknown_inspector_is_404(inspector: Inspector, client: Client) -> None:
    assert client.get(f"/inspectors/{inspector.token}/").status_code == 404
    assert client.get(f"/inspectors/{inspector.token}/newer/").status_code == 404
    assert client.post(path_of(inspector)).status_code == 405


def test_page_says_which_requests_are_signed(inspector: Inspector, client: Client) -> None:
    path = path_of(inspector)
    keep_request(inspector, Arrival("POST", "/", {}, b""))
    assert "no endpoint here" in client.get(path).content.decode()
    secret = new_secret()
    make_endpoint(inspector.tenant, url=url_of(inspector), secret=secret)
    keep_request(inspector, Arrival("POST", "/", {}, b""))
    assert "not signed" in client.get(path).content.decode()
    now = int(time.time())
    headers = {"webhook-id": "a", "webhook-timestamp": str(now), "webhook-signature": sign(secret, "a", now, b"a")}
    keep_request(inspector, Arrival("POST", "/", headers, b"a"))
    keep_request(inspector, Arrival("POST", "/", headers, b"b"))
    text = client.get(path).content.decode()
    assert (text.count("signature valid"), text.count("signature invalid")) == (1, 1)
