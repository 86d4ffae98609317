"""Check this machine's disk, the object storage, and the address that others call."""

import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import requests
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from config.doctor.finding import Finding, error, ok, warning

GIB = 1024**3
LITTLE, VERY_LITTLE = 0.10, 0.02  # of a disk that is free
DAY = 86_400.0
RENEW_WITHIN = 21 * DAY
TIMEOUT = 5.0  # seconds
LOCAL = ("localhost", "127.0.0.1", "::1")


def check_environment() -> Iterator[Finding]:
    """Check the settings that decide whether an installation is safe."""
    if settings.IN_PRODUCTION:
        yield ok("WAYPOST_ENV is production")
    else:
        yield warning("WAYPOST_ENV is development", "set WAYPOST_ENV=production where customers are served")
    if settings.WAYPOST_ALLOW_HTTP:
        yield warning("endpoints without TLS are allowed", "unset WAYPOST_ALLOW_HTTP, unless this is a test")
    if settings.IN_PRODUCTION and settings.WAYPOST_ALLOW_NETWORKS:
        networks = ", ".join(settings.WAYPOST_ALLOW_NETWORKS)
        yield warning(
            f"endpoints may be in these networks, which are not public: {networks}",
            "keep in WAYPOST_ALLOW_NETWORKS only what customers may call",
        )


def check_disk() -> Iterator[Finding]:
    """Check the free space where WAYPOST_DATA is."""
    disk = shutil.disk_usage(settings.WAYPOST_DATA)
    text = f"{disk.free / GIB:.1f} GiB of {disk.total / GIB:.1f} GiB free at {settings.WAYPOST_DATA}"
    if disk.free < VERY_LITTLE * disk.total:
        yield error(text, "free some: PostgreSQL stops when its disk is full")
    elif disk.free < LITTLE * disk.total:
        yield warning(text, "free some, or shorten the retention of events")
    else:
        yield ok(text)


def check_storage() -> Iterator[Finding]:
    """Check that an object can be written to the storage of large bodies, and to the archive, read, and deleted."""
    yield _stores("claims", "the storage of large bodies", "WAYPOST_STORAGE_URL")
    if "archive" in settings.STORAGES:
        yield _stores("archive", "the storage of the archive", "WAYPOST_ARCHIVE_URL")


def _stores(alias: str, what: str, setting: str) -> Finding:
    storage, body = storages[alias], uuid4().bytes
    name = storage.save(f"doctor/{uuid4()}", ContentFile(body))
    try:
        with storage.open(name) as stored:
            is_same = stored.read() == body
    finally:
        storage.delete(name)
    if is_same:
        return ok(f"{what} stores, returns and deletes an object")
    return error(f"{what} returns other bytes than were written", f"check {setting}")


def check_public_address() -> Iterator[Finding]:
    """Check that PUBLIC_URL responds, and is this platform; and that its certificate is valid for some time."""
    parts = urlsplit(settings.PUBLIC_URL)
    if settings.IN_PRODUCTION and (parts.scheme != "https" or parts.hostname in LOCAL):
        yield error(f"PUBLIC_URL is {settings.PUBLIC_URL}", "set PUBLIC_URL to the https:// address that others call")
    try:
        response = requests.get(f"{settings.PUBLIC_URL}/healthz", timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as failure:
        reason = type(failure).__name__
        advice = "start the platform; then check DNS, the proxy and the firewall"
        yield error(f"{settings.PUBLIC_URL}/healthz does not respond ({reason})", advice)
        return
    if response.status_code != requests.codes.ok:
        yield error(
            f"{settings.PUBLIC_URL}/healthz responds with {response.status_code}",
            "pass all paths to the platform, and list the host in ALLOWED_HOSTS",
        )
        return
    yield ok(f"{settings.PUBLIC_URL} responds")
    if parts.scheme == "https":
        yield from _check_certificate(parts.hostname or "", parts.port or 443)


def _check_certificate(host: str, port: int) -> Iterator[Finding]:
    context = ssl.create_default_context()
    with (
        socket.create_connection((host, port), TIMEOUT) as raw,
        context.wrap_socket(raw, server_hostname=host) as secured,
    ):
        found = secured.getpeercert() or {}
    left = ssl.cert_time_to_seconds(str(found["notAfter"])) - time.time()
    text = f"the certificate of {host} is valid for {left / DAY:.0f} days"
    yield ok(text) if left > RENEW_WITHIN else warning(text, "renew it")
