"""Signing secrets of an endpoint over REST."""

import pytest

from tests.factories import make_client, make_endpoint, make_tenant
from tests.subscriptions.api.problems import invalid_fields
from webhooks.wire.signing.keys import new_secret

pytestmark = pytest.mark.django_db

API = "/api/v1/"


def test_rotation_shows_the_new_secret_once_and_lists_both():
    tenant = make_tenant()
    path = f"{API}endpoints/{make_endpoint(tenant, uid='main').uid}/secrets/"
    client = make_client(tenant)
    created = client.post(path, {"overlap_seconds": 3600})
    assert created.status_code == 201
    assert created["Cache-Control"] == "no-store"
    assert created.json()["secret"].startswith("whsec_")
    listed = client.get(path)
    assert b"whsec_" not in listed.content
    assert [row["expires_at"] is None for row in listed.json()["data"]] == [True, False]


def test_rotation_uses_the_given_secret():
    tenant, own = make_tenant(), new_secret()
    path = f"{API}endpoints/{make_endpoint(tenant).public_id}/secrets/"
    assert make_client(tenant).post(path, {"secret": own, "overlap_seconds": 0}).json() == {"secret": own}
    assert len(make_client(tenant).get(path).json()["data"]) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"overlap_seconds": -1}, "overlap_seconds"),
        ({"overlap_seconds": 604_801}, "overlap_seconds"),
        ({"overlap_seconds": "60"}, "overlap_seconds"),
        ({"overlap_seconds": None}, "overlap_seconds"),
        ({"secret": "whsec_"}, "secret"),
        ({"overlap": 60}, "overlap"),
    ],
)
def test_invalid_rotation_is_a_400_that_names_the_field(body, field):
    tenant = make_tenant()
    path = f"{API}endpoints/{make_endpoint(tenant).public_id}/secrets/"
    assert invalid_fields(make_client(tenant).post(path, body)) == [field]


def test_patch_of_a_secret_is_a_400_that_points_to_rotation():
    tenant = make_tenant()
    response = make_client(tenant).patch(f"{API}endpoints/{make_endpoint(tenant).public_id}/", {"secret": new_secret()})
    assert invalid_fields(response) == ["secret"]
    assert "secrets/" in response.json()["detail"]
