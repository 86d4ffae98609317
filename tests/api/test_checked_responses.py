"""The check of all responses against the OpenAPI document fails a test whose response is not as described."""

from typing import Any

import pytest
from django.http import HttpResponse, JsonResponse
from django.test import Client

from tests.api.checked_responses import check, check_received, checked_request
from tests.factories import make_client, make_endpoint, make_tenant

PATH = "/api/v1/tenants/acme/"
TENANT = {"id": "tnt_01m83t2ghzevcannga6my0t001", "name": 5}


@pytest.mark.parametrize(
    ("method", "path", "response", "reason"),
    [
        ("GET", PATH, JsonResponse(TENANT), r"name: 5 is not of type"),
        ("GET", PATH, JsonResponse(TENANT), r"is a required property"),
        ("GET", PATH, HttpResponse("text", content_type="text/plain"), "as text/plain is not described"),
        ("GET", PATH.rstrip("/"), JsonResponse({}, status=418), "418 is not described"),
        ("POST", "/api/v1/events/batch/", JsonResponse({}, status=202), "is a required property"),
        ("GET", PATH, HttpResponse(content_type="application/json"), "has no content"),
    ],
)
def test_response_that_is_not_as_described_fails(method: str, path: str, response: Any, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        check(method, path, response)


def test_response_that_another_client_got_is_checked() -> None:
    problem = {"content-type": "application/problem+json"}
    with pytest.raises(AssertionError, match="is a required property"):
        check_received("POST", "/api/v1/events", 401, problem, b"{}")


def test_path_that_is_not_described_is_not_checked() -> None:
    check("GET", "/admin/", HttpResponse("text", status=418))


@pytest.mark.django_db
def test_client_of_the_tests_checks_its_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client.request is checked_request
    endpoint = make_endpoint(make_tenant())
    client = make_client(endpoint.tenant)
    assert client.get(f"/api/v1/endpoints/{endpoint.public_id}/").status_code == 200
    monkeypatch.setattr("subscriptions.api.endpoints.Endpoints.retrieve", lambda *_, **__: JsonResponse({}))
    with pytest.raises(AssertionError, match="is not as it is described"):
        client.get(f"/api/v1/endpoints/{endpoint.public_id}/")
