"""Test large bodies in S3, over its own protocol, on an independent server: stored, read back, swept."""

import hashlib
import os
import urllib.request
from collections.abc import Iterator
from datetime import timedelta

import boto3
import pytest
from django.core.files.storage import storages
from django.utils import timezone
from moto.server import ThreadedMotoServer

from config.ops.storage import backend
from tests.bodies import store_body
from tests.factories_receiver import id_at, make_receipt, make_source, signed
from webhooks.kit.bodies.claim_check import INLINE_MAX, StorageDown
from webhooks.models import Receipt, Rejection
from webhooks.processing import sweep
from webhooks.wire.ids import new_id

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("receiver"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # boto3 keeps its connections for the next call
]

MIB = 1024 * 1024
BUCKET, PREFIX = "claims", "waypost/here"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Return the URL of an S3 server on loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3: str, receiver: None, settings, monkeypatch: pytest.MonkeyPatch):
    """Store the bodies of this test in an empty bucket, set by WAYPOST_STORAGE_URL."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    urllib.request.urlopen(urllib.request.Request(f"{s3}/moto-api/reset", method="POST")).close()
    client = boto3.client("s3", endpoint_url=s3, region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    claims = backend("WAYPOST_STORAGE_URL", f"s3://{BUCKET}/{PREFIX}?endpoint={s3}&region=us-east-1")
    settings.STORAGES = {**settings.STORAGES, "claims": claims}
    return client


def names(bucket) -> list[str]:
    return [it["Key"] for it in bucket.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def pieces(size: int) -> Iterator[bytes]:
    for start in range(0, size, 65_536):
        yield bytes([start // 65_536 % 251]) * min(65_536, size - start)


@pytest.mark.parametrize("size", [INLINE_MAX + 1, 3 * MIB + 17, 21 * MIB])
def test_store_body_in_s3_can_be_read_back(bucket, size: int) -> None:
    """Upload the largest body in several parts."""
    body = store_body(pieces(size), new_id(), lambda chunk: None)
    receipt = make_receipt(body=None, body_key=body.key, size=body.size, sha256=body.sha256)
    with receipt.open() as file:
        assert hashlib.sha256(file.read()).hexdigest() == body.sha256
    (stored,) = bucket.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert (stored["Key"], stored["Size"]) == (f"{PREFIX}/{body.key}", size)
    parts = stored["ETag"].strip('"').partition("-")[2]
    assert bool(parts) == (size > 8 * MIB)


def test_large_message_is_stored_in_the_bucket_and_can_be_opened(bucket, client) -> None:
    source, body = make_source(), b"x" * (2 * INLINE_MAX)
    response = client.post(f"/in/{source.public_id}/", body, "application/json", headers=signed(body))
    assert response.status_code == 202
    receipt = Receipt.objects.get()
    assert receipt.read() == body
    assert names(bucket) == [f"{PREFIX}/{receipt.body_key}"]


@pytest.mark.parametrize("size", [2 * INLINE_MAX, 12 * MIB])
def test_rejected_or_interrupted_body_leaves_no_object_and_no_upload(bucket, client, size: int) -> None:
    source = make_source(max_bytes=16 * MIB)
    assert client.post(f"/in/{source.public_id}/", bytes(size), "a/b", headers=signed(b"other")).status_code == 401

    def breaks() -> Iterator[bytes]:
        yield from pieces(size)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store_body(breaks(), new_id(), lambda chunk: None)
    assert names(bucket) == []
    assert bucket.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    assert Rejection.objects.get().reason == "no_match"


def test_missing_bucket_is_503_and_stores_nothing(bucket, client) -> None:
    bucket.delete_bucket(Bucket=BUCKET)
    with pytest.raises(StorageDown):
        store_body(pieces(2 * INLINE_MAX), new_id(), lambda chunk: None)
    body = b"x" * (2 * INLINE_MAX)
    response = client.post(f"/in/{make_source().public_id}/", body, "a/b", headers=signed(body))
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert not Receipt.objects.exists()


def test_sweep_deletes_orphaned_objects_in_the_bucket_only(bucket) -> None:
    now = timezone.now()
    young, old = id_at(now - timedelta(hours=20)), id_at(now - timedelta(hours=30))
    for key in (young, old):
        store_body(pieces(2 * INLINE_MAX), key, lambda chunk: None)
    named = store_body(pieces(2 * INLINE_MAX), id_at(now - timedelta(hours=30)), lambda chunk: None)
    make_receipt(body=None, body_key=named.key, size=named.size)
    assert sweep.remove_orphans(now) == 1
    assert sorted(name.rsplit("/", 1)[1] for name in names(bucket)) == sorted([young.hex, named.key.rsplit("/", 1)[1]])


def test_sweep_deletes_the_object_of_an_expired_receipt_in_the_bucket(bucket) -> None:
    born = timezone.now() - timedelta(days=31)
    for changes in ({"due_at": None, "processed_at": born}, {}):
        key = id_at(born)
        body = store_body(pieces(2 * INLINE_MAX), key, lambda chunk: None)
        make_receipt(id=key, body=None, body_key=body.key, size=body.size, **changes)
    sweep.sweep()
    assert names(bucket) == [f"{PREFIX}/{Receipt.objects.get().body_key}"]
    assert storages["claims"].exists(Receipt.objects.get().body_key)
