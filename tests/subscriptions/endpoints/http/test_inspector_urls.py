"""Which addresses of the platform itself an endpoint may have: only its request inspectors."""

from typing import Any

import pytest

from subscriptions.endpoints import endpoints
from subscriptions.errors import Invalid
from subscriptions.routing.targets import load_targets
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db

OWN = "http://127.0.0.1:8000"
INSPECTOR = f"{OWN}/inspect/{'t' * 43}/"


@pytest.fixture(autouse=True, params=[True, False], ids=["allow_self", "not_self"])
def public_url(settings: Any, request: Any) -> None:
    settings.PUBLIC_URL, settings.WAYPOST_ALLOW_SELF = OWN, request.param


def test_endpoint_at_an_inspector_is_allowed_without_other_settings() -> None:
    endpoint, _ = endpoints.create_endpoint(make_tenant(), url=INSPECTOR)
    assert endpoint.address == INSPECTOR
    admits = load_targets([endpoint.id])[endpoint.id].http.admits  # type: ignore[union-attr]
    assert admits is not None
    assert [admits("127.0.0.1"), admits("127.0.0.2")] == [True, False]


@pytest.mark.parametrize("path", ["/", "/admin/", "/inspect/", f"/inspectors/{'t' * 43}/"])
def test_endpoint_elsewhere_at_the_platform_is_refused_when_saved_and_when_sent(path: str) -> None:
    with pytest.raises(Invalid):
        endpoints.create_endpoint(make_tenant(), url=OWN + path)
    stored = make_endpoint(url=OWN + path)
    assert load_targets([stored.id])[stored.id].http.admits is None  # type: ignore[union-attr]


def test_token_server_at_an_inspector_is_refused() -> None:
    auth = {"type": "oauth2", "token_url": INSPECTOR, "client_id": "a", "client_secret": "b"}
    with pytest.raises(Invalid):
        endpoints.create_endpoint(make_tenant(), url="https://example.com/", auth=auth)
