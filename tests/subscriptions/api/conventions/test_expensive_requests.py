"""Test the share of expensive requests: a tenant has some places, others have theirs, and places are given back."""

import threading
from typing import Any

import pytest
from django.test import Client, RequestFactory, override_settings
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from subscriptions.api.conventions.expensive_requests import ExpensiveRequests
from tests.api.operations import operations
from tests.factories import make_key, make_tenant

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

entered, may_end = threading.Semaphore(0), threading.Event()


class Slow(APIView):
    expensive = ("GET",)
    required_scopes: dict[str, str] = {}

    def get(self, request: Request) -> Response:
        entered.release()
        may_end.wait()
        return Response("done")

    def post(self, request: Request) -> Response:
        return Response("cheap")


class Breaks(APIView):
    expensive = ("GET",)

    def get(self, request: Request) -> Response:
        raise RuntimeError("broken")


urlpatterns = [path("api/v1/slow/", Slow.as_view()), path("api/v1/breaks/", Breaks.as_view())]


@pytest.fixture
def keys() -> list[str]:
    """Return keys of three tenants, which every thread finds in the cache."""
    found = [make_key(make_tenant())[1] for _ in range(3)]
    for key in found:
        Client().post("/api/v1/slow/", headers={"authorization": f"Bearer {key}"})
    return found


@pytest.fixture
def slow_requests() -> Any:
    """Return a function that starts a request on a thread and returns when its view runs."""
    may_end.clear()
    threads = []

    def start(client: Client, key: str) -> None:
        headers = {"authorization": f"Bearer {key}"}
        threads.append(threading.Thread(target=client.get, args=("/api/v1/slow/",), kwargs={"headers": headers}))
        threads[-1].start()
        entered.acquire()

    yield start
    may_end.set()
    for thread in threads:
        thread.join()


def get(client: Client, path: str, key: str) -> Any:
    return client.get(path, headers={"authorization": f"Bearer {key}"})


def test_tenant_with_its_share_in_progress_gets_429_that_names_the_limit(keys: list[str], slow_requests: Any) -> None:
    client = Client()
    client.get("/")  # builds the middleware, whose places all clones share
    slow_requests(client, keys[0])
    slow_requests(client, keys[0])
    refused = get(client, "/api/v1/slow/", keys[0])
    assert refused.status_code == 429
    assert refused.json()["limit"] == "WAYPOST_EXPENSIVE_REQUESTS"
    assert refused["Retry-After"] == "2"
    assert client.post("/api/v1/slow/", headers={"authorization": f"Bearer {keys[0]}"}).status_code == 200
    slow_requests(client, keys[1])  # enters


def test_place_is_given_back_when_the_view_fails(keys: list[str]) -> None:
    client = Client(raise_request_exception=False)
    assert [get(client, "/api/v1/breaks/", keys[0]).status_code for _ in range(6)] == [500] * 6


def test_request_without_a_valid_key_takes_no_place(keys: list[str]) -> None:
    client = Client()
    assert [get(client, "/api/v1/slow/", "wp_unknown").status_code for _ in range(6)] == [401] * 6


@override_settings(WAYPOST_EXPENSIVE_REQUESTS=8)
def test_setting_is_the_number_of_places() -> None:
    assert ExpensiveRequests(lambda request: RequestFactory().get("/")).shares.capacity == 8


@pytest.mark.urls("config.urls")
def test_expensive_operations_are_described_with_429() -> None:
    described = {str(it) for it in operations() if "429" in it.described["responses"]}
    assert {
        "POST /api/v1/replays/preview/",
        "POST /api/v1/deliveries/cancel/preview/",
        "POST /api/v1/subscriptions/test/",
        "GET /api/v1/events/{ref}/explain/",
        "GET /api/v1/event-types/openapi/",
        "GET /api/v1/usage/",
    } <= described
    assert all("x-expensive" not in it.described for it in operations())
