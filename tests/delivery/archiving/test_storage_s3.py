"""The archive in S3, over its own protocol, on an independent server."""

from collections.abc import Iterator
from typing import Any

import pytest

from delivery.archiving import storage
from delivery.archiving.verify import fault_of
from delivery.lifecycle.retention import apply_retention
from delivery.models import Archive, Event
from tests.delivery.archiving.factories import DAYS, at, old_delivery
from tests.delivery.archiving.s3 import BUCKET, PREFIX, s3_server
from tests.factories import make_endpoint, make_tenant

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # boto3 keeps its connections for the next call
]


@pytest.fixture
def bucket(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Archive to an empty bucket on a server on loopback; return a client of it."""
    with s3_server(monkeypatch) as server:
        settings.STORAGES = {**settings.STORAGES, "archive": server.storage}
        yield server.client


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
