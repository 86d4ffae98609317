"""Test the storage of large bodies, selected by a URL."""

from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils.module_loading import import_string

from config.env import Misconfigured
from config.ops import storage


def test_file_url_stores_files_only_their_owner_may_read(tmp_path: Path) -> None:
    spec = storage.backend("WAYPOST_STORAGE_URL", (tmp_path / "cla ims").as_uri())
    kept = import_string(spec["BACKEND"])(**spec["OPTIONS"])
    name = kept.save("a/b", ContentFile(b"body"))
    path = tmp_path / "cla ims" / name
    assert path.read_bytes() == b"body"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_s3_url_sets_bucket_prefix_endpoint_and_region() -> None:
    spec = storage.backend(
        "WAYPOST_STORAGE_URL", "s3://bucket/some/prefix?endpoint=https://minio.example:9000&region=eu-1"
    )
    kept = import_string(spec["BACKEND"])(**spec["OPTIONS"])
    assert (kept.bucket_name, kept.location) == ("bucket", "some/prefix")
    assert (kept.endpoint_url, kept.region_name) == ("https://minio.example:9000", "eu-1")


@pytest.mark.parametrize("url", ["s3:///prefix", "s3://key:secret@bucket/", "s3://bucket/?public=yes"])
def test_invalid_url_raises_an_error_that_names_the_variable(url: str) -> None:
    with pytest.raises(Misconfigured, match="WAYPOST_STORAGE_URL"):
        storage.backend("WAYPOST_STORAGE_URL", url)


def test_claims_and_default_storage_have_the_same_location() -> None:
    assert storages["claims"].location == storages["default"].location  # type: ignore[attr-defined]
