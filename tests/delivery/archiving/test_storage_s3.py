"""The archive in S3, over its own protocol, on an independent server."""

import os
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from config.ops.storage import backend
from delivery.archiving import storage
from delivery.archiving.verify import fault_of
from delivery.lifecycle.retention import apply_retention
from delivery.models import Archive, Event
from tests.delivery.archiving.factories import DAYS, at, old_delivery
from tests.factories import make_endpoint, make_tenant

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # boto3 keeps its connections for the next call
]

BUCKET, PREFIX = "archive", "waypost/here"


@pytest.fixture
def bucket(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Archive to an empty bucket on a server on loopback."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    archive = backend("WAYPOST_ARCHIVE_URL", f"s3://{BUCKET}/{PREFIX}?endpoint={url}&region=us-east-1")
    settings.STORAGES = {**settings.STORAGES, "archive": archive}
    yield client
    server.stop()


def archived() -> Archive:
    old_delivery(make_endpoint(make_tenant(retention_days=DAYS)))
    apply_retention()
    return Archive.objects.get()


def names(bucket: Any) -> list[str]:
    return [it["Key"] for it in bucket.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_events_are_archived_in_the_bucket_and_read_from_it(bucket: Any) -> None:
    row = archived()
    assert not Event.objects.exists()
    assert names(bucket) == [f"{PREFIX}/{row.key}"]
    assert fault_of(row) == ""


def test_writing_again_leaves_one_object(bucket: Any) -> None:
    tenant = make_tenant()
    keys = {storage.write_object(tenant.id, at(), b"content") for _ in range(3)}
    assert names(bucket) == [f"{PREFIX}/{key}" for key in keys]


def test_changed_and_missing_objects_are_named(bucket: Any) -> None:
    row = archived()
    bucket.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{row.key}", Body=b"other")
    assert fault_of(row).startswith(f"{row.key} has changed")
    bucket.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/{row.key}")
    assert fault_of(row) == f"{row.key} is missing from the storage of the archive"


def test_missing_bucket_deletes_nothing(bucket: Any) -> None:
    bucket.delete_bucket(Bucket=BUCKET)
    old_delivery(make_endpoint(make_tenant(retention_days=DAYS)))
    assert apply_retention().events == 0
    assert (Event.objects.count(), Archive.objects.count()) == (1, 0)
