"""One battery for every resource that one can read and change: entity tags, and changes that name the one they saw."""

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
def thing(request):
    """An operator, the path of a thing, and a change of it."""
    return make_client(), f"{API}{request.param}/{make(request.param).public_id}/", CHANGES[request.param]


def test_every_answer_about_a_thing_has_its_tag(thing):
    client, path, change = thing
    read = client.get(path)
    changed = client.patch(path, change)
    assert read["ETag"] != changed["ETag"] == client.get(path)["ETag"]


def test_a_change_of_what_was_seen_takes_place(thing):
    client, path, change = thing
    seen = client.get(path)["ETag"]
    assert client.patch(path, change, headers={"If-Match": seen}).status_code == 200
    assert client.patch(path, change, headers={"If-Match": "*"}).status_code == 200


@pytest.mark.parametrize("method", ["patch", "put", "delete"])
def test_a_change_of_what_was_changed_since_is_a_412_and_changes_nothing(thing, method):
    client, path, change = thing
    read = client.get(path)
    now = client.patch(path, change).json()
    writable = change if method == "patch" else {**read.json()}
    answer = getattr(client, method)(path, writable, headers={"If-Match": read["ETag"]})
    assert answer.status_code == 412, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert client.get(path).json() == now


def test_what_was_seen_is_deleted(thing):
    client, path, _ = thing
    assert client.delete(path, headers={"If-Match": client.get(path)["ETag"]}).status_code == 204
    assert client.get(path).status_code == 404


def test_a_creation_says_the_tag_of_what_it_made():
    client = make_client(make_tenant())
    made = client.post(f"{API}endpoints/", {"url": "https://example.com/"})
    assert made["ETag"] == client.get(f"{API}endpoints/{made.json()['id']}/")["ETag"]


def test_a_key_that_was_seen_is_revoked():
    operator = make_client()
    path = f"{API}keys/{make_key(make_tenant())[0].public_id}/"
    assert operator.delete(path, headers={"If-Match": '"another"'}).status_code == 412
    assert operator.delete(path, headers={"If-Match": operator.get(path)["ETag"]}).status_code == 204


@pytest.mark.django_db(transaction=True)
def test_of_two_who_change_what_both_have_seen_one_is_told():
    endpoint = make_endpoint()
    path = f"{API}endpoints/{endpoint.public_id}/"
    client = make_client(endpoint.tenant)
    seen = client.get(path)["ETag"]

    def change(text):
        return client.patch(path, {"description": text}, headers={"If-Match": seen}).status_code

    assert sorted(in_threads(lambda: change("one"), lambda: change("other"))) == [200, 412]
    assert Endpoint.objects.get().description in {"one", "other"}
