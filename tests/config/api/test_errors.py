"""Every error of the API is a problem (RFC 9457), whoever noticed it; a few doors that fail on purpose show it."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DataError, OperationalError
from django.http import Http404
from django.test import Client, override_settings
from django.urls import path
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import errors
from config.local.embedded import EmbeddedError

ERRORS: dict[str, Exception] = {
    "missing": Http404("row 17 of table secrets"),
    "throttled": exceptions.Throttled(wait=1.2),
    "down": OperationalError("password of 10.0.0.1 is x"),
    "value": DataError("value too long for x"),
    "forbidden": PermissionDenied("only for tnt_17"),
    "ours": RuntimeError("internals"),
    "embedded": EmbeddedError("internals"),
}


class Item(serializers.Serializer[Any]):
    name = serializers.CharField()


class Order(serializers.Serializer[Any]):
    items = Item(many=True)
    total = serializers.IntegerField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["total"] < 0:
            raise serializers.ValidationError("They owe us, not we them.")
        return attrs


class Orders(APIView):
    authentication_classes = ()
    permission_classes = ()

    def post(self, request: Request) -> Response:
        order = Order(data=request.data)
        order.is_valid(raise_exception=True)
        return Response(order.data)


class Fails(APIView):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request, how: str) -> Response:
        raise ERRORS[how]


class Locked(APIView):
    def get(self, request: Request) -> Response:
        return Response()


urlpatterns = [
    path("api/orders/", Orders.as_view()),
    path("api/fails/<str:how>/", Fails.as_view()),
    path("api/locked/", Locked.as_view()),
]
handler400 = errors.bad_request
handler404 = errors.not_found
handler500 = errors.failed

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def problem(response: Any, status: int) -> Any:
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert {"type", "title", "detail"} <= body.keys()
    return body


def post(client: Client, body: bytes, content_type: str = "application/json") -> Any:
    return client.post("/api/orders/", body, content_type=content_type)


def test_every_field_is_named_with_its_place_in_lists(client: Client) -> None:
    body = problem(post(client, b'{"items": [{"name": "a"}, {"name": ""}, {}], "total": "x"}'), 400)
    assert body["type"] == "urn:waypost:problem:invalid"
    assert [(error["field"], error["pointer"]) for error in body["errors"]] == [
        ("items.1.name", "#/items/1/name"),
        ("items.2.name", "#/items/2/name"),
        ("total", "#/total"),
    ]
    assert all(error["detail"] for error in body["errors"])
    assert "items.1.name" in body["detail"]


def test_an_error_of_the_whole_names_no_field(client: Client) -> None:
    body = problem(post(client, b'{"items": [], "total": -1}'), 400)
    assert body["errors"] == [{"field": "", "pointer": "#", "detail": "They owe us, not we them."}]
    assert body["detail"] == "They owe us, not we them."


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b'{"total": NaN}',
        b'{"total": "\xff"}',
        b'{"total": "\\ud800"}',
        b"[" * 100_000,
        b'{"total": ' + b"[" * 999 + b"]" * 999 + b"}",
    ],
    ids=["cut", "empty", "nan", "not utf-8", "lone surrogate", "bottomless", "deep"],
)
def test_what_is_not_json_is_a_problem_of_the_request(client: Client, body: bytes) -> None:
    problem(post(client, body), 400)


def test_another_form_is_refused_by_name(client: Client) -> None:
    assert "text/csv" in problem(post(client, b"a,b", "text/csv"), 415)["detail"]


def test_one_byte_too_many_is_too_large(client: Client) -> None:
    fitting = b'{"items": [], "total": 1}'
    with override_settings(WAYPOST_MAX_REQUEST_BYTES=len(fitting)):
        assert post(client, fitting).status_code == 200
        problem(post(client, fitting + b" "), 413)


def test_a_method_that_is_not_there_is_named(client: Client) -> None:
    response = client.delete("/api/orders/")
    assert "DELETE" in problem(response, 405)["detail"]
    assert response["Allow"] == "POST, OPTIONS"


def test_without_a_key_there_is_a_challenge(client: Client) -> None:
    response = client.get("/api/locked/")
    problem(response, 401)
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("how", "status"), [("missing", 404), ("forbidden", 403), ("value", 400), ("ours", 500), ("embedded", 500)]
)
def test_no_answer_shows_what_is_inside(client: Client, how: str, status: int) -> None:
    body = problem(client.get(f"/api/fails/{how}/"), status)
    assert str(ERRORS[how]) not in str(body)


def test_who_is_too_fast_is_told_when_to_come_back(client: Client) -> None:
    response = client.get("/api/fails/throttled/")
    problem(response, 429)
    assert response["Retry-After"] == "2"


def test_a_database_that_is_away_is_no_error_of_the_caller(client: Client) -> None:
    response = client.get("/api/fails/down/")
    assert "password" not in str(problem(response, 503))
    assert int(response["Retry-After"]) > 0


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_address_that_is_none_of_ours_is_not_found(client: Client, method: str) -> None:
    response = getattr(client, method)("/api/orders")
    assert "slash" in problem(response, 404)["detail"]
    assert "slash" not in problem(client.get("/api/nothing/"), 404)["detail"]


def test_people_are_answered_in_their_own_form(client: Client) -> None:
    assert client.get("/nothing/")["Content-Type"].startswith("text/html")


def test_a_request_that_django_refuses_before_any_view_is_a_problem_too(client: Client) -> None:
    problem(client.get("/api/orders/", headers={"Host": "elsewhere.example"}), 400)


@pytest.mark.parametrize(("path_", "pointer"), [((), "#"), (("a/b", 0, "c~d"), "#/a~1b/0/c~0d")])
def test_a_pointer_escapes_what_it_is_made_of(path_: tuple[str | int, ...], pointer: str) -> None:
    assert errors._pointer(path_) == pointer
