"""Choose the object storage for large bodies, and that of the archive: local files, or any S3 by URL.

    file:///var/lib/waypost/claims
    s3://bucket/prefix?endpoint=https://minio.example&region=eu-central-1

Credentials come from boto3's usual places (AWS_ACCESS_KEY_ID, a role, ...); they are not part of the URL.
"""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from config.env import Misconfigured

_OPTIONS = {"endpoint": "endpoint_url", "region": "region_name"}


def backend(name: str, url: str) -> dict[str, Any]:
    """Return the entry of Django's STORAGES for the URL of this setting. Raises Misconfigured."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        options = {"location": unquote(parts.path), "file_permissions_mode": 0o600}
        options["directory_permissions_mode"] = 0o700
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    if not parts.hostname or parts.username:
        raise Misconfigured(f"{name} must look like s3://bucket/prefix?endpoint=...&region=...")
    given = {option: values[-1] for option, values in parse_qs(parts.query).items()}
    if unknown := given.keys() - _OPTIONS.keys():
        raise Misconfigured(f"{name} has unknown options: {', '.join(sorted(unknown))}")
    options = {_OPTIONS[option]: value for option, value in given.items()}
    named = {"bucket_name": parts.hostname, "location": unquote(parts.path).strip("/")}
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {**named, **options, "default_acl": None, "file_overwrite": False, "querystring_auth": True},
    }
