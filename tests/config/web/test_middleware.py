"""People are redirected to the final slash and have a session, programs do not; probes may use any name."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from config.web.middleware import Authentication, Messages, Sessions


@pytest.mark.parametrize("path", ["/api/v1/tenants", "/api/v1/events", "/in/a/b"])
def test_a_post_without_the_final_slash_is_not_found_and_not_lost(path: str) -> None:
    response = Client().post(path, b"{}", content_type="application/json")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


def test_a_person_is_led_to_the_admin() -> None:
    assert Client().get("/admin")["Location"] == "/admin/"


def test_only_a_probe_may_call_us_by_any_name() -> None:
    strange = Client(headers={"Host": "10.1.2.3"})
    assert strange.get("/healthz").status_code == 200
    assert strange.get("/").status_code == 400


@pytest.mark.parametrize(
    ("path", "is_for_people"), [("/admin/", True), ("/", True), ("/api/v1/events/", False), ("/in/src_1/", False)]
)
def test_sessions_and_logins_are_for_people(path: str, is_for_people: bool) -> None:
    seen: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse()

    Sessions(Authentication(Messages(view)))(RequestFactory().get(path))
    assert [hasattr(seen[0], name) for name in ("session", "user", "_messages")] == [is_for_people] * 3
