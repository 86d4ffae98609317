"""Requests are kept in a bounded number, with bounded bodies and without credentials."""

from typing import Any

import pytest

from subscriptions.inspectors import requests
from subscriptions.inspectors.inspectors import create_inspector, url_of
from subscriptions.inspectors.requests import Arrival, keep_request, seconds_to_wait
from subscriptions.models import Inspector
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def inspector() -> Inspector:
    return create_inspector(make_tenant())


def test_only_the_latest_requests_are_kept(inspector: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "KEPT_REQUESTS", 3)
    for number in range(5):
        keep_request(inspector, Arrival("POST", f"/{number}", {}, b""))
    assert [it.path for it in inspector.requests.order_by("pk")] == ["/2", "/3", "/4"]


def test_body_is_kept_up_to_a_size(inspector: Inspector) -> None:
    keep_request(inspector, Arrival("POST", "/", {}, b"x" * (requests.KEPT_BODY + 1)))
    kept = inspector.requests.get()
    assert (len(kept.body), kept.body_bytes, kept.is_cut) == (requests.KEPT_BODY, requests.KEPT_BODY + 1, True)


def test_values_of_credentials_are_not_kept(inspector: Inspector) -> None:
    auth = {"type": "header", "name": "X-Door", "value": "a"}
    make_endpoint(inspector.tenant, url=url_of(inspector), headers={"X-Team": "red"}, auth=auth)
    sent = {"authorization": "Basic a", "cookie": "a", "x-api-key": "a", "x-door": "a", "x-team": "red", "x-other": "b"}
    kept = keep_request(inspector, Arrival("POST", "/", sent, b""))
    assert {name for name, value in kept.headers.items() if value == "[removed]"} == sent.keys() - {"x-other"}
    assert kept.headers["x-other"] == "b"


@pytest.mark.parametrize("text", ["/\0\ud800", "/" + "a" * 5000])
def test_unusual_path_is_stored(inspector: Inspector, text: str) -> None:
    keep_request(inspector, Arrival("POST", text, {"x\0": "\ud800"}, b"\0"))
    assert inspector.requests.get().path.startswith("/")


def test_deleted_inspector_keeps_nothing(inspector: Inspector) -> None:
    Inspector.objects.filter(pk=inspector.pk).delete()
    keep_request(inspector, Arrival("POST", "/", {}, b""))
    assert inspector.requests.count() == 0


def test_requests_beyond_the_rate_have_to_wait(inspector: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    clock: Any = type("Clock", (), {"monotonic": staticmethod(lambda: 1000.0)})
    monkeypatch.setattr(requests, "time", clock)
    assert not any(seconds_to_wait(inspector) for _ in range(requests.REQUESTS_AT_ONCE))
    assert seconds_to_wait(inspector) == pytest.approx(1 / requests.REQUESTS_PER_SECOND)
    assert seconds_to_wait(create_inspector(make_tenant())) == 0
