"""Test the limits on logins: one password at a time, and some a minute from one address."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.test import Client

from config.ops import login

FORM = {"username": "admin", "password": "wrong"}
pytestmark = pytest.mark.django_db


@pytest.fixture
def cheap_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin.site, "login", lambda request: HttpResponse("checked"))
    monkeypatch.setattr(login, "time", SimpleNamespace(monotonic=lambda: 1000.0))


def post(address: str = "192.0.2.1") -> Any:
    return Client(REMOTE_ADDR=address).post("/admin/login/", FORM)


def test_wrong_password_is_refused_by_the_form() -> None:
    response = post()
    assert response.status_code == 200
    assert b"Please enter the correct username and password" in response.content


@pytest.mark.usefixtures("cheap_check")
def test_address_with_too_many_attempts_gets_429_with_retry_after() -> None:
    assert [post().status_code for _ in range(login.ATTEMPTS_PER_MINUTE)] == [200] * login.ATTEMPTS_PER_MINUTE
    refused = post()
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 6
    assert "10 a minute" in refused.content.decode()
    assert post("192.0.2.2").status_code == 200


@pytest.mark.usefixtures("cheap_check")
def test_page_of_the_form_is_not_counted() -> None:
    for _ in range(login.ATTEMPTS_PER_MINUTE + 5):
        assert Client(REMOTE_ADDR="192.0.2.1").get("/admin/login/").status_code == 200
    assert post().status_code == 200


def test_second_password_at_the_same_time_gets_503(monkeypatch: pytest.MonkeyPatch) -> None:
    checking, may_end = threading.Event(), threading.Event()

    def check(request: HttpRequest) -> HttpResponse:
        checking.set()
        may_end.wait()
        return HttpResponse("checked")

    monkeypatch.setattr(admin.site, "login", check)
    found: list[int] = []
    first = threading.Thread(target=lambda: found.append(post().status_code))
    first.start()
    checking.wait()
    second = post("192.0.2.2")
    may_end.set()
    first.join()
    assert (found, second.status_code, second["Retry-After"]) == ([200], 503, "1")
