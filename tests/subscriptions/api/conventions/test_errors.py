"""Every error of the API is a problem (RFC 9457), whether a view, REST framework, Django or the database raised it."""

from typing import Any

import orjson
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

from config.local.embedded import EmbeddedError
from subscriptions.api.conventions import errors
from tests.factories import make_client, make_tenant

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
            raise serializers.ValidationError("total must not be negative.")
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


def test_validation_error_names_each_field_with_its_position_in_lists(client: Client) -> None:
    body = problem(post(client, b'{"items": [{"name": "a"}, {"name": ""}, {}], "total": "x"}'), 400)
    assert body["code"] == "invalid"
    assert [(error["field"], error["pointer"], error["code"]) for error in body["errors"]] == [
        ("items.1.name", "#/items/1/name", "blank"),
        ("items.2.name", "#/items/2/name", "required"),
        ("total", "#/total", "invalid"),
    ]
    assert all(error["detail"] for error in body["errors"])
    assert "items.1.name" in body["detail"]


def test_validation_error_of_the_whole_body_names_no_field(client: Client) -> None:
    body = problem(post(client, b'{"items": [], "total": -1}'), 400)
    assert body["errors"] == [{"field": "", "pointer": "#", "detail": "total must not be negative.", "code": "invalid"}]
    assert body["detail"] == "total must not be negative."


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
def test_body_that_is_not_json_is_a_400(client: Client, body: bytes) -> None:
    problem(post(client, body), 400)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"[" * 999 + b"]" * 999, "nested more than 128 levels"),
        (b"[" * 999 + b"9" * 30 + b"]" * 999, "nested more than 128 levels"),
        (b"[" * 100_000, "nested more than 128 levels"),
        (b'{"total": ' + b"9" * 5_000 + b"}", "number is infinity"),
    ],
    ids=["deep", "deep with a long number", "bottomless", "digits"],
)
def test_body_that_is_not_safe_to_read_is_a_400_that_says_why(client: Client, body: bytes, detail: str) -> None:
    assert detail in problem(post(client, body), 400)["detail"]


def test_duplicate_key_is_named_with_its_place(client: Client) -> None:
    body = problem(post(client, b'{"items": [{"name": "a", "name": "a"}], "total": 1}'), 400)
    assert [(it["field"], it["code"]) for it in body["errors"]] == [("items.0.name", "ambiguous")]


def test_problem_is_short_however_much_is_wrong_with_a_body(client: Client) -> None:
    items = b",".join([b'{"nam": "a"}'] * 10_000)
    found = problem(post(client, b'{"items": [' + items + b'], "total": 1}'), 400)
    assert len(found["errors"]) == errors.MAX_ERRORS
    error = exceptions.ValidationError({"a" * 10_000: ["b" * 10_000]})
    assert len(orjson.dumps(errors.problem_content(error, in_body=True)[0])) < 5_000


def test_host_that_is_not_served_is_named_as_the_fault(client: Client) -> None:
    with override_settings(ALLOWED_HOSTS=["hooks.example"]):
        response = client.post("/api/orders/", b"{}", content_type="application/json", HTTP_HOST="other.example")
    assert "ALLOWED_HOSTS" in problem(response, 400)["detail"]


def test_unsupported_content_type_is_a_415_that_names_it(client: Client) -> None:
    assert "text/csv" in problem(post(client, b"a,b", "text/csv"), 415)["detail"]


def test_body_one_byte_over_the_limit_is_a_413(client: Client) -> None:
    fitting = b'{"items": [], "total": 1}'
    with override_settings(WAYPOST_MAX_REQUEST_BYTES=len(fitting)):
        assert post(client, fitting).status_code == 200
        problem(post(client, fitting + b" "), 413)


def test_unsupported_method_is_a_405_that_names_it(client: Client) -> None:
    response = client.delete("/api/orders/")
    assert "DELETE" in problem(response, 405)["detail"]
    assert response["Allow"] == "POST, OPTIONS"


def test_request_without_a_key_is_a_401_with_a_challenge(client: Client) -> None:
    response = client.get("/api/locked/")
    problem(response, 401)
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("how", "status"), [("missing", 404), ("forbidden", 403), ("value", 400), ("ours", 500), ("embedded", 500)]
)
def test_response_does_not_show_the_exception(client: Client, how: str, status: int) -> None:
    body = problem(client.get(f"/api/fails/{how}/"), status)
    assert str(ERRORS[how]) not in str(body)


def test_throttled_request_is_a_429_with_retry_after(client: Client) -> None:
    response = client.get("/api/fails/throttled/")
    problem(response, 429)
    assert response["Retry-After"] == "2"


def test_unavailable_database_is_a_503_with_retry_after(client: Client) -> None:
    response = client.get("/api/fails/down/")
    assert "password" not in str(problem(response, 503))
    assert int(response["Retry-After"]) > 0


@pytest.mark.parametrize("method", ["get", "post"])
def test_unknown_path_is_a_404_that_names_it(client: Client, method: str) -> None:
    response = getattr(client, method)("/api/nothing")
    assert problem(response, 404)["detail"] == "There is nothing at /api/nothing/."


def test_unknown_path_outside_the_api_is_an_html_page(client: Client) -> None:
    assert client.get("/nothing/")["Content-Type"].startswith("text/html")


def test_request_that_django_rejects_before_a_view_is_a_problem(client: Client) -> None:
    problem(client.get("/api/orders/", headers={"Host": "elsewhere.example"}), 400)


@pytest.mark.parametrize(("path_", "pointer"), [((), "#"), (("a/b", 0, "c~d"), "#/a~1b/0/c~0d")])
def test_pointer_escapes_slashes_and_tildes(path_: tuple[str | int, ...], pointer: str) -> None:
    assert errors._pointer(path_) == pointer


@pytest.mark.django_db
@pytest.mark.urls("config.urls")
@pytest.mark.parametrize(
    ("method", "path_", "headers", "status"),
    [
        ("GET", "/api", {}, 404),
        ("GET", "/api/v2/endpoints/", {}, 404),
        ("GET", "/api/v1/endpoint", {}, 404),
        ("POST", "/api/v1/usage/", {}, 405),
        ("BREW", "/api/v1/endpoints/", {}, 405),
        ("GET", "/api/v1/endpoints/", {"Accept": "image/png"}, 406),
        ("POST", "/api/v1/endpoints/", {"Content-Type": "text/plain"}, 415),
    ],
)
def test_error_under_api_is_a_problem(method: str, path_: str, headers: dict[str, str], status: int) -> None:
    client = make_client(make_tenant())
    content_type = headers.pop("Content-Type", "application/json") if headers else "application/json"
    response = client.generic(method, path_, b"{}", content_type, headers=headers)
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == status


@pytest.mark.django_db
@pytest.mark.urls("config.urls")
def test_large_body_is_a_413_unless_the_view_is_made_for_it() -> None:
    client = make_client(make_tenant())
    text = "a" * errors.MAX_JSON_BYTES
    assert client.post("/api/v1/endpoints/", {"description": text}).status_code == 413
    assert client.post("/api/v1/event-types/import/", {"document": {"text": text}}).status_code == 400


def test_problem_about_a_name_that_is_no_text_can_be_written() -> None:
    error = exceptions.ValidationError({"a\ud800": ["Unknown: \udfff."], "b\0": ["c"]})
    body, _ = errors.problem_content(error, in_body=True)
    assert orjson.loads(orjson.dumps(body)) == body
    assert [(it["field"], it["detail"]) for it in body["errors"]] == [
        ("a\\ud800", "Unknown: \\udfff."),
        ("b\0", "c"),  # which JSON can carry
    ]
