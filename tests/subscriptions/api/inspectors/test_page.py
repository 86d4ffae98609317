"""The page of an inspector: its address is its secret, and what arrived is only text."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from config.web.application import WebApplication
from subscriptions.inspectors.inspectors import change_inspector, create_inspector, url_of
from subscriptions.inspectors.requests import KEPT_BODY, Arrival, keep_request
from subscriptions.inspectors.shown_requests import MAX_CURL_BODY, SHOWN_BODY, shown_requests
from subscriptions.models import Inspector
from tests.config.web.server import serving
from tests.factories import make_endpoint, make_tenant
from tests.processes import run
from tests.threads import ClosingThreads
from webhooks.kit.fair.threads import request_threads
from webhooks.wire.signing import sign
from webhooks.wire.signing.keys import new_secret

pytestmark = pytest.mark.django_db

ATTACK = b'{"type": "<script>alert(1)</script>", "a": "</code><img src=x onerror=alert(1)>"}'


@pytest.fixture
def inspector() -> Inspector:
    return create_inspector(make_tenant(), name="Shop")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    with ClosingThreads(2) as threads:
        monkeypatch.setattr(request_threads(), "executor", threads)
        with serving(WebApplication()) as port:
            yield port


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


def test_settings_are_sent_again_only_when_they_are_not_those_that_are_shown(
    inspector: Inspector, client: Client
) -> None:
    shown = re.search(r'data-version="([\d-]+)"', client.get(path_of(inspector)).content.decode())
    assert shown is not None
    path = f"{path_of(inspector)}newer/?after=&settings={shown[1]}"
    assert client.get(path).status_code == 204
    change_inspector(inspector, {"response_status": 503, "response_delay_ms": 2000})
    text = re.sub(r"<[^>]+>", "", client.get(path).content.decode())
    assert "Responds 503 after 2000 ms to every request" in text


@pytest.mark.django_db(transaction=True)
def test_command_of_a_request_sends_it_again_to_the_inspector(inspector: Inspector, settings: Any, port: int) -> None:
    """curl itself runs the command, as a reader pastes it."""
    settings.PUBLIC_URL = f"http://127.0.0.1:{port}"
    path = f"/inspect/{inspector.token}/?a=1&b='c"
    sent: list[tuple[str, dict[str, str], bytes]] = [
        ("POST", {"content-type": "application/json", "x-quoted": "it's", "x-empty": ""}, '{"a": "ü\'$HOME"}'.encode()),
        ("PUT", {"content-type": "text/plain", "host": "elsewhere", "content-length": "9"}, b"\xff\0"),
        ("GET", {"accept": "text/html"}, b""),
        ("HEAD", {}, b""),
    ]
    for method, headers, body in sent:
        made = keep_request(inspector, Arrival(method, path, {"user-agent": "Waypost", **headers}, body))
        (shown,) = shown_requests(inspector.requests.filter(pk=made.pk))
        done = run(["bash", "-o", "pipefail", "-c", f"{shown.curl} --silent --show-error --fail"], text=True)
        assert done.returncode == 0, (shown.curl, done.stderr)
        again = inspector.requests.order_by("-pk")[0]
        assert again.pk != made.pk
        assert (again.method, again.path, bytes(again.body)) == (method, path, body)
        left = {name: value for name, value in made.headers.items() if name not in ("host", "content-length")}
        assert {name: again.headers.get(name) for name in left} == left
        assert again.headers.get("content-type") == headers.get("content-type")


def test_request_whose_body_is_not_kept_has_no_command(inspector: Inspector, client: Client) -> None:
    for size in (1, MAX_CURL_BODY + 1, KEPT_BODY + 1):
        keep_request(inspector, Arrival("POST", "/", {}, b"a" * size))
    assert client.get(path_of(inspector)).content.decode().count("Copy as curl") == 1


def test_long_body_is_shown_in_part(inspector: Inspector, client: Client) -> None:
    keep_request(inspector, Arrival("POST", "/", {}, b"x" * (SHOWN_BODY + 1)))
    text = client.get(path_of(inspector)).content.decode()
    assert "The beginning of 16,385 bytes." in text
    assert "x" * (SHOWN_BODY + 1) not in text


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
