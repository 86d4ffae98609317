"""Test strict serializers with sources: valid values are kept, an invalid one is named."""

from typing import Any

import pytest

from tests.factories import make_client, make_tenant
from webhooks.models import Source

pytestmark = pytest.mark.django_db

SOURCES = "/api/v1/sources/"
PLAIN = {"name": "plain", "scheme": "none"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"nmae": "x"}, "nmae"),
        ({"id": "src_01m83t2ghzevcannga6my0tf3k"}, "id"),
        ({"url": "https://example.com/"}, "url"),
        ({"name": 5}, "name"),
        ({"name": "a\u0007b"}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"uid": 5}, "uid"),
        ({"timestamp_tolerance_seconds": "300"}, "timestamp_tolerance_seconds"),
        ({"max_bytes": True}, "max_bytes"),
        ({"state": "yes"}, "state"),
        ({"skip_out_of_order": 1}, "skip_out_of_order"),
        ({"verify_token": 5}, "verify_token"),
        ({"settings": {"topic": "a\0b", "size": 1}}, "settings.topic"),
        ({"settings": {"to\0pic": "a"}}, "settings.to\\u0000pic"),
        ({"settings": {"size": 2**64}}, "settings.size"),
        ({"credentials": {"password": "\0"}}, "credentials.password"),
    ],
)
def test_create_with_an_invalid_field_names_it_and_creates_nothing(changes: dict[str, Any], field: str) -> None:
    response = make_client(make_tenant()).post(SOURCES, {**PLAIN, **changes})
    assert response.status_code == 400
    assert [it["field"] for it in response.json()["errors"]] == [field]
    assert not Source.objects.exists()


def test_patch_accepts_the_response_of_create() -> None:
    client = make_client(make_tenant())
    made = client.post(SOURCES, PLAIN).json()
    assert client.patch(f"{SOURCES}{made['id']}/", made).status_code == 200


@pytest.mark.parametrize("body", [{"event_type": 0}, {"event_type": "a\nb"}, {"body": 5}, {"bdoy": "{}"}])
def test_test_message_with_an_invalid_field_names_it(body: dict[str, Any]) -> None:
    client = make_client(make_tenant())
    made = client.post(SOURCES, PLAIN).json()
    response = client.post(f"{SOURCES}{made['id']}/test/", body)
    assert response.status_code == 400
    assert [it["field"] for it in response.json()["errors"]] == [*body]
