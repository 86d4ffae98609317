"""Entity tags and If-Match, for every resource that can be read and changed."""

import pytest

from subscriptions.models import Endpoint
from tests.factories import make_client, make_endpoint, make_key, make_plan, make_subscription, make_tenant
from tests.threads import in_threads

pytestmark = pytest.mark.django_db

API = "/api/v1/"

CHANGES = {
    "tenants": {"name": "Another"},
    "plans": {"name": "Another"},
    "endpoints": {"description": "Another"},
    "subscriptions": {"description": "Another"},
}


def make(kind):
    return {
        "tenants": make_tenant,
        "plans": make_plan,
        "endpoints": make_endpoint,
        "subscriptions": make_subscription,
    }[kind]()


@pytest.fixture(params=CHANGES)
def resource(request):
    """Return an operator's client, the path of a resource, and a change of it."""
    return make_client(), f"{API}{request.param}/{make(request.param).public_id}/", CHANGES[request.param]


def test_responses_have_the_etag_of_the_resource(resource):
    client, path, change = resource
    read = client.get(path)
    changed = client.patch(path, change)
    assert read["ETag"] != changed["ETag"] == client.get(path)["ETag"]


def test_change_with_the_current_etag_is_made(resource):
    client, path, change = resource
    seen = client.get(path)["ETag"]
    assert client.patch(path, change, headers={"If-Match": seen}).status_code == 200
    assert client.patch(path, change, headers={"If-Match": "*"}).status_code == 200


@pytest.mark.parametrize("method", ["patch", "put", "delete"])
def test_change_with_a_stale_etag_is_a_412_and_changes_nothing(resource, method):
    client, path, change = resource
    read = client.get(path)
    now = client.patch(path, change).json()
    body = {"patch": change, "put": read.json(), "delete": None}[method]
    response = getattr(client, method)(path, body, headers={"If-Match": read["ETag"]})
    assert response.status_code == 412, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert client.get(path).json() == now


def test_deletion_with_the_current_etag_is_made(resource):
    client, path, _ = resource
    assert client.delete(path, headers={"If-Match": client.get(path)["ETag"]}).status_code == 204
    assert client.get(path).status_code == 404


def test_creation_returns_the_etag_of_the_new_resource():
    client = make_client(make_tenant())
    created = client.post(f"{API}endpoints/", {"url": "https://example.com/"})
    assert created["ETag"] == client.get(f"{API}endpoints/{created.json()['id']}/")["ETag"]


def test_revocation_with_the_current_etag_is_made():
    operator = make_client()
    path = f"{API}keys/{make_key(make_tenant())[0].public_id}/"
    assert operator.delete(path, headers={"If-Match": '"another"'}).status_code == 412
    assert operator.delete(path, headers={"If-Match": operator.get(path)["ETag"]}).status_code == 204


@pytest.mark.django_db(transaction=True)
def test_concurrent_changes_with_the_same_etag_make_one():
    endpoint = make_endpoint()
    path = f"{API}endpoints/{endpoint.public_id}/"
    client = make_client(endpoint.tenant)
    seen = client.get(path)["ETag"]

    def change(text):
        return client.patch(path, {"description": text}, headers={"If-Match": seen}).status_code

    assert sorted(in_threads(lambda: change("one"), lambda: change("other"))) == [200, 412]
    assert Endpoint.objects.get().description in {"one", "other"}
