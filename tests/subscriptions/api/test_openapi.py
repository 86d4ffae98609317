"""The OpenAPI document of this app."""

import pytest
from drf_spectacular.generators import SchemaGenerator

from subscriptions.api.urls import urlpatterns


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator(patterns=urlpatterns).get_schema(request=None, public=True)


def operations(schema):
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_operations_have_unique_ids_and_require_a_bearer_key(schema):
    names = [operation["operationId"] for _, _, operation in operations(schema)]
    assert len(set(names)) == len(names)
    assert {"create_endpoint", "create_endpoint_secret", "rotate_key", "list_subscriptions", "get_tenant"} <= set(names)
    assert all(operation["security"] == [{"bearerAuth": []}] for _, _, operation in operations(schema))
    assert schema["components"]["securitySchemes"]["bearerAuth"]["scheme"] == "bearer"


def test_keys_have_no_update_operation(schema):
    assert set(schema["paths"]["/keys/{ref}"]) == {"get", "delete"}


def test_secrets_appear_only_in_responses_that_create_them(schema):
    shapes = schema["components"]["schemas"]
    assert {name for name, shape in shapes.items() if {"secret", "key"} & set(shape.get("properties", ()))} == {
        "EndpointWithSecret",
        "EndpointCreateRequest",
        "EndpointItemRequest",
        "ApiKeyWithSecret",
        "SigningSecretCreateRequest",
        "SigningSecretWithValue",
        "MaskingKey",
    }
