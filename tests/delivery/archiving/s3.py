"""Run a server of the S3 protocol on loopback, with a bucket for the archive."""

import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import boto3
import pytest
from moto.server import ThreadedMotoServer

from config.ops.storage import backend

BUCKET, PREFIX = "archive", "waypost/here"


class S3Server(NamedTuple):
    """A server with an empty bucket: its URL, a client of it, and the entry of STORAGES for an archive in it."""

    url: str
    client: Any
    storage: dict[str, Any]


@contextmanager
def s3_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Run the server, and set credentials for it."""
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
    yield S3Server(url, client, archive)
    server.stop()
