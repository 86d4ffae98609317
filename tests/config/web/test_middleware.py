"""Test the middleware: slashes and sessions on pages and under /api/, and the Host header of probes."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from config.web.middleware import Authentication, Messages, Sessions


@pytest.mark.parametrize("slash", ["/", ""])
@pytest.mark.parametrize("path", ["/api/v1/tenants", "/api/v1/events", "/api/v1/events/batch"])
def test_post_with_and_without_the_final_slash_reaches_the_same_view(path: str, slash: str) -> None:
    response = Client().post(path + slash, b"{}", content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/in/a/b"])
def test_post_to_an_unknown_path_is_a_404_and_not_redirected(path: str) -> None:
    response = Client().post(path, b"{}", content_type="application/json")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


def test_page_without_the_final_slash_is_redirected() -> None:
    assert Client().get("/admin")["Location"] == "/admin/"


def test_unknown_host_is_accepted_on_probes_only() -> None:
    client = Client(headers={"Host": "10.1.2.3"})
    assert client.get("/healthz").status_code == 200
    assert client.get("/").status_code == 400


@pytest.mark.parametrize(
    ("path", "has_session"), [("/admin/", True), ("/", True), ("/api/v1/events/", False), ("/in/src_1/", False)]
)
def test_session_login_and_messages_are_skipped_under_api_and_in(path: str, has_session: bool) -> None:
    seen: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse()

    Sessions(Authentication(Messages(view)))(RequestFactory().get(path))
    assert [hasattr(seen[0], name) for name in ("session", "user", "_messages")] == [has_session] * 3
