"""A URL says where large bodies are kept."""

from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils.module_loading import import_string

from config.env import Misconfigured
from config.ops import storage


def test_local_files_are_for_their_owner_only(tmp_path: Path) -> None:
    spec = storage.backend((tmp_path / "cla ims").as_uri())
    kept = import_string(spec["BACKEND"])(**spec["OPTIONS"])
    name = kept.save("a/b", ContentFile(b"body"))
    path = tmp_path / "cla ims" / name
    assert path.read_bytes() == b"body"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_s3_is_a_bucket_a_prefix_and_an_endpoint() -> None:
    spec = storage.backend("s3://bucket/some/prefix?endpoint=https://minio.example:9000&region=eu-1")
    kept = import_string(spec["BACKEND"])(**spec["OPTIONS"])
    assert (kept.bucket_name, kept.location) == ("bucket", "some/prefix")
    assert (kept.endpoint_url, kept.region_name) == ("https://minio.example:9000", "eu-1")


@pytest.mark.parametrize("url", ["s3:///prefix", "s3://key:secret@bucket/", "s3://bucket/?public=yes"])
def test_what_is_no_such_url_is_refused_by_name(url: str) -> None:
    with pytest.raises(Misconfigured, match="WAYPOST_STORAGE_URL"):
        storage.backend(url)


def test_claims_and_everything_else_go_to_the_same_place() -> None:
    assert storages["claims"].location == storages["default"].location  # type: ignore[attr-defined]
