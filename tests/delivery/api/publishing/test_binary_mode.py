"""CloudEvents in binary mode without a content type, as SDKs send them."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from delivery.models import Event
from tests.factories import make_client, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> APIClient:
    return make_client(make_tenant())


def published(client: APIClient, body: bytes, content_type: str = "") -> Any:
    """Return the stored event."""
    attributes = {"ce-id": "1", "ce-source": "/a", "ce-type": "a", "ce-specversion": "1.0"}
    response = client.generic("POST", "/api/v1/events/", body, content_type=content_type, headers=attributes)
    assert response.status_code == 202, response.content
    return bytes(Event.objects.get().body)


@pytest.mark.parametrize("body", [b'{"total": 5.00}', b"[1, 2]", b"null", b'"text"'])
def test_data_without_a_content_type_are_json_where_they_are_json(client: APIClient, body: bytes) -> None:
    stored = published(client, body)
    assert b'"data":' + body in stored
    assert b"datacontenttype" not in stored


@pytest.mark.parametrize("body", [b"plain text", b"\xff\x00", b'{"total": 5'])
def test_data_without_a_content_type_are_bytes_where_they_are_no_json(client: APIClient, body: bytes) -> None:
    assert b'"data_base64":' in published(client, body)


def test_data_with_a_content_type_are_what_it_says(client: APIClient) -> None:
    stored = published(client, b'{"total": 5}', "application/octet-stream")
    assert b'"data_base64":' in stored
