import pytest
from django.db import connection
from django.utils import timezone

from tests.factories import make_client, make_tenant
from webhooks.api.serializers.sources import SourceSerializer
from webhooks.models import Source
from webhooks.sources import configuration

pytestmark = pytest.mark.django_db(transaction=True)

API = "/api/v1/sources/"


@pytest.fixture
def source():
    """Somebody, and the path of his source."""
    client = make_client(make_tenant())
    made = client.post(API, {"name": "GitHub", "scheme": "github", "secret": "s" * 32})
    return client, f"{API}{made.json()['id']}/"


def test_what_was_seen_is_changed_and_deleted(source):
    client, path = source
    seen = client.get(path)["ETag"]
    changed = client.patch(path, {"name": "Another"}, headers={"If-Match": seen})
    assert changed.status_code == 200, changed.content
    assert changed["ETag"] == client.get(path)["ETag"] != seen
    assert client.delete(path, headers={"If-Match": changed["ETag"]}).status_code == 204


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_what_was_changed_since_is_a_412_and_stays(source, method):
    client, path = source
    seen = client.get(path)["ETag"]
    client.patch(path, {"name": "Another"})
    answer = getattr(client, method)(path, {"name": "Third"}, headers={"If-Match": seen})
    assert answer.status_code == 412
    assert answer["Content-Type"] == "application/problem+json"
    assert Source.objects.get(deleted_at=None).name == "Another"


def test_a_change_is_judged_outside_any_transaction_for_names_are_looked_up(source, monkeypatch):
    client, path = source
    open_then = []

    def look(host, *, seconds):
        open_then.append(connection.in_atomic_block)
        return ["93.184.215.14"]

    monkeypatch.setattr(configuration, "resolve_within", look)
    options = {"jwks_url": "https://keys.example.com/jwks", "audience": "us"}
    made = client.post(API, {"scheme": "jwt", "options": options}, content_type="application/json")
    path = f"{API}{made.json()['id']}/"
    answer = client.patch(path, {"name": "Keys"}, headers={"If-Match": client.get(path)["ETag"]})
    assert answer.status_code == 200
    assert open_then == [False, False]


def test_what_a_change_does_not_name_is_not_written(source, monkeypatch):
    client, path = source
    judge = SourceSerializer.validate

    def paused_meanwhile(self, attrs):
        Source.objects.update(paused_at=timezone.now())
        return judge(self, attrs)

    monkeypatch.setattr(SourceSerializer, "validate", paused_meanwhile)
    assert client.patch(path, {"name": "Another"}).json()["paused"] is True
