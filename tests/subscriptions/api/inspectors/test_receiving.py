"""The address of an inspector: it responds to everything as it was told, and keeps what came."""

from concurrent.futures import Future
from typing import Any

import pytest
from django.test import Client

from subscriptions.api.inspectors import receiving
from subscriptions.inspectors import requests
from subscriptions.inspectors.inspectors import create_inspector
from subscriptions.models import Inspector
from tests.factories import make_tenant
from tests.suspension import run_suspended

pytestmark = pytest.mark.django_db


@pytest.fixture
def inspector() -> Inspector:
    return create_inspector(make_tenant())


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND")


@pytest.mark.parametrize("slash", ["/", ""])
def test_every_method_gets_200_and_is_kept(inspector: Inspector, client: Client, slash: str) -> None:
    path = f"/inspect/{inspector.token}{slash}?a=1&b"
    for method in METHODS:
        response = client.generic(method, path, b"\xffbody", "text/x-any", headers={"X-Other": "1"})
        assert response.status_code == 200
    kept = list(inspector.requests.order_by("pk"))
    assert tuple(it.method for it in kept) == METHODS
    assert {(it.path, bytes(it.body)) for it in kept} == {(path, b"\xffbody")}
    assert (kept[0].headers["content-type"], kept[0].headers["x-other"]) == ("text/x-any", "1")


def test_compressed_and_invalid_bodies_are_kept_as_they_came(inspector: Inspector, client: Client) -> None:
    path = f"/inspect/{inspector.token}/"
    response = client.generic("POST", path, b"\x1f\x8b", "application/json", headers={"Content-Encoding": "gzip"})
    assert response.status_code == 200
    assert bytes(inspector.requests.get().body) == b"\x1f\x8b"


def test_response_is_plain_text_that_no_browser_runs(inspector: Inspector, client: Client) -> None:
    response = client.get(f"/inspect/{inspector.token}/")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'"
    assert not response.cookies


@pytest.mark.parametrize("token", ["x" * 43, "x"])
def test_unknown_inspector_is_404(client: Client, token: str) -> None:
    assert client.post(f"/inspect/{token}/").status_code == 404


def test_request_beyond_the_rate_gets_429_and_is_not_kept(
    inspector: Inspector, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "REQUESTS_AT_ONCE", 1)
    monkeypatch.setattr(requests, "REQUESTS_PER_SECOND", 0.001)
    codes = [client.post(f"/inspect/{inspector.token}/") for _ in range(2)]
    assert [it.status_code for it in codes] == [200, 429]
    assert int(codes[1]["Retry-After"]) > 1
    assert inspector.requests.count() == 1


def test_body_that_is_too_large_gets_413(inspector: Inspector, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "MAX_BODY", 10)
    response = client.generic("POST", f"/inspect/{inspector.token}/", b"x" * 11)
    assert (response.status_code, inspector.requests.count()) == (413, 0)


def test_delayed_response_suspends_its_request_and_keeps_it_once(inspector: Inspector, client: Client) -> None:
    Inspector.objects.update(response_delay_ms=20, response_status=503)
    response, suspensions = run_suspended(lambda: client.post(f"/inspect/{inspector.token}/"))
    assert (response.status_code, suspensions, inspector.requests.count()) == (503, 1, 1)
    assert receiving._delayed.held(inspector.tenant_id) == 0


def test_delays_beyond_the_share_of_the_tenant_are_left_out(
    inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspector.response_delay_ms = 20_000
    delayed: Any = receiving.Shares("test", 1)
    monkeypatch.setattr(receiving, "_delayed", delayed)
    assert delayed.take(inspector.tenant_id)
    future: Future[Any] = receiving._after_delay(inspector, receiving.Reply(200, "kept"))
    assert future.done()


def test_event_that_verifies_an_endpoint_gets_its_challenge_back(inspector: Inspector, client: Client) -> None:
    event = {"type": receiving.VERIFICATION_TYPE, "data": {"challenge": "a-challenge"}}
    response = client.post(f"/inspect/{inspector.token}/", event, content_type="application/json")
    assert response.content == b"a-challenge\n"
    text = client.generic("POST", f"/inspect/{inspector.token}/", f"{receiving.VERIFICATION_TYPE} [1".encode())
    assert text.content == b"kept\n"
