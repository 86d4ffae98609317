import pytest

from tests.factories import make_client, make_tenant
from webhooks.models import Source

pytestmark = pytest.mark.django_db

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
