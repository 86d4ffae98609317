"""The description states headers, plan limits and deprecations where they apply."""

from datetime import UTC, datetime

import pytest
from drf_spectacular.generators import SchemaGenerator

from subscriptions.api.endpoints import Endpoints
from subscriptions.api.serializers.subscriptions import SubscriptionSerializer
from webhooks.wire.deprecation import Deprecation

pytestmark = pytest.mark.django_db

API = "/api/v1/"
DEPRECATION = Deprecation(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), "https://example.com/why")


@pytest.fixture(scope="module")
def operations():
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return {(method, path): operation for path, item in paths.items() for method, operation in item.items()}


def header_parameters(operation):
    return {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "header"}


def test_operation_with_a_key_describes_the_header_of_its_method(operations):
    expected = {
        "post": ("Idempotency-Key", "422"),
        "put": ("If-Match", "412"),
        "patch": ("If-Match", "412"),
        "delete": ("If-Match", "412"),
        "get": ("If-None-Match", "304"),
    }
    for (method, path), operation in operations.items():
        if any(operation.get("security", ())):
            header, status = expected[method]
            assert header in header_parameters(operation), (method, path)
            assert status in operation["responses"], (method, path)


def test_operation_limited_by_a_plan_describes_402_413_and_429(operations):
    assert {"402", "413", "429"} <= operations["post", f"{API}events"]["responses"].keys()
    assert "402" in operations["post", f"{API}endpoints"]["responses"]


def test_deprecated_view_and_field_are_marked_in_the_description(monkeypatch):
    monkeypatch.setattr(Endpoints, "deprecation", DEPRECATION, raising=False)
    monkeypatch.setattr(SubscriptionSerializer, "deprecated_fields", {"pattern": DEPRECATION}, raising=False)
    schema = SchemaGenerator().get_schema(request=None, public=True)
    assert schema["paths"][f"{API}endpoints"]["get"]["deprecated"] is True
    assert "deprecated" not in schema["paths"][f"{API}subscriptions"]["get"]
    properties = schema["components"]["schemas"]["Subscription"]["properties"]
    assert [name for name, form in properties.items() if form.get("deprecated")] == ["pattern"]
