"""Test conditional changes of a resource: If-Match, locking, and the columns that are written."""

import pytest
from django.db import connection
from django.utils import timezone

from tests.dns_server import Answer
from tests.factories import make_client, make_tenant
from webhooks.api.serializers.sources import SourceSerializer
from webhooks.models import Source
from webhooks.outgoing import resolver

pytestmark = pytest.mark.django_db(transaction=True)

API = "/api/v1/sources/"


@pytest.fixture
def source():
    """Return a client and the path of its source."""
    client = make_client(make_tenant())
    made = client.post(API, {"name": "GitHub", "scheme": "github", "secret": "s" * 32})
    return client, f"{API}{made.json()['id']}/"


def test_change_and_deletion_with_the_current_entity_tag_succeed(source):
    client, path = source
    etag = client.get(path)["ETag"]
    changed = client.patch(path, {"name": "Another"}, headers={"If-Match": etag})
    assert changed.status_code == 200, changed.content
    assert changed["ETag"] == client.get(path)["ETag"] != etag
    assert client.delete(path, headers={"If-Match": changed["ETag"]}).status_code == 204


@pytest.mark.parametrize(("method", "body"), [("patch", {"name": "Third"}), ("delete", None)])
def test_write_with_an_older_entity_tag_is_a_412_and_changes_nothing(source, method, body):
    client, path = source
    etag = client.get(path)["ETag"]
    client.patch(path, {"name": "Another"})
    response = getattr(client, method)(path, body, headers={"If-Match": etag})
    assert response.status_code == 412
    assert response["Content-Type"] == "application/problem+json"
    assert Source.objects.get(deleted_at=None).name == "Another"


def test_change_is_validated_outside_a_transaction_since_it_resolves_names(source, dns, monkeypatch):
    client, path = source
    in_transaction = []
    resolve = resolver.resolve

    def record(host, share):
        in_transaction.append(connection.in_atomic_block)
        return resolve(host, share)

    dns.answers["keys.example.com"] = Answer(("93.184.215.14",))
    monkeypatch.setattr(resolver, "resolve", record)
    options = {"jwks_url": "https://keys.example.com/jwks", "audience": "us"}
    made = client.post(API, {"scheme": "jwt", "options": options}, content_type="application/json")
    path = f"{API}{made.json()['id']}/"
    response = client.patch(path, {"name": "Keys"}, headers={"If-Match": client.get(path)["ETag"]})
    assert response.status_code == 200
    assert in_transaction == [False, False]


def test_change_writes_only_the_columns_it_names(source, monkeypatch):
    client, path = source
    validate = SourceSerializer.validate

    def paused_meanwhile(self, attrs):
        Source.objects.update(paused_at=timezone.now())
        return validate(self, attrs)

    monkeypatch.setattr(SourceSerializer, "validate", paused_meanwhile)
    assert client.patch(path, {"name": "Another"}).json()["state"] == "paused"
