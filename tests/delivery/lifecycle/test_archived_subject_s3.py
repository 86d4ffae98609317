"""Erasures in an archive in S3, over its own protocol: also of processes that are killed at any step."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
import zstandard
from django.conf import settings as project

from delivery.archiving import verify
from delivery.lifecycle import archived_subject, erasures
from delivery.lifecycle.retention import apply_retention
from delivery.models import Archive, Event
from subscriptions.models import Endpoint, Tenant
from tests.database_url import database_url
from tests.delivery.archiving.factories import DAYS, old_delivery, replay_archive
from tests.delivery.archiving.s3 import BUCKET, PREFIX, S3Server, s3_server
from tests.delivery.jobs import erase_to_end
from tests.factories import make_endpoint, make_subscription, make_tenant

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:botocore"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # boto3 keeps its connections for the next call
]

SUBJECT, SECRET = "user-1", "4111 1111 1111 1111"
HOURS = 3

# Forks a worker that kills itself before one statement of an erasure, or before or after an object is read, written or
# deleted, each time a later one. Each prints first how many objects are written anew, by the rows, and how many rows
# name an object that is not what it should be. Only the forks talk to S3: they must not share connections.
CRASH = """
import os, signal
import django
django.setup()
from django.db import connection
from config.local import embedded
from datetime import timedelta
from delivery.archiving import storage, verify
from delivery.lifecycle import archived_subject, erasures
from delivery.models import Archive, Erasure
from webhooks.kit import sql

archived_subject.WRITING = timedelta(0)
executed = 0


def step():
    global executed
    executed += 1
    if executed == limit:
        os.kill(os.getpid(), signal.SIGKILL)


def count(execute, *arguments):
    step()
    return execute(*arguments)


def counted(function):
    def call(*arguments, **options):
        step()
        result = function(*arguments, **options)
        step()
        return result
    return call


sql._run = counted(sql._run)
for name in ("_write", "read_file", "delete_object"):
    setattr(storage, name, counted(getattr(storage, name)))
limit = killed = 0
while True:
    child = os.fork()
    if child == 0:
        faults = sum(bool(verify.fault_of(it)) for it in Archive.objects.all())
        os.write(1, b"%d %d\\n" % (Archive.objects.exclude(rewritten_at=None).count(), faults))
        limit = executed + 1 + killed
        with connection.execute_wrapper(count):
            erasures.run_slices()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    Erasure.objects.update(sliced_at=None)
    connection.close()
    if not os.WIFSIGNALED(status):
        break
    killed += 1
print(killed, os.waitstatus_to_exitcode(status))
"""


@pytest.fixture
def server(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Archive to an empty bucket on a server on loopback."""
    with s3_server(monkeypatch) as found:
        settings.STORAGES = {**settings.STORAGES, "archive": found.storage}
        yield found


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant(retention_days=DAYS)


def archive_hours(tenant: Tenant) -> None:
    endpoint: Endpoint = make_subscription(make_endpoint(tenant)).endpoint
    for hour in range(HOURS):
        for minute, subject in enumerate((SUBJECT, "user-2")):
            old_delivery(endpoint, minute, hour=hour, subject=subject, data={"card": SECRET, "of": subject})
    apply_retention()
    assert not Event.objects.exists()


def objects(server: S3Server) -> dict[str, bytes]:
    """Return the lines of each object of the bucket by its key."""
    keys = [it["Key"] for it in server.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    read = {it: server.client.get_object(Bucket=BUCKET, Key=it)["Body"].read() for it in keys}
    return {it.removeprefix(f"{PREFIX}/"): zstandard.decompress(content) for it, content in read.items()}


def assert_erased(server: S3Server) -> None:
    """Assert that rows and objects correspond, and that the objects have the other subject and nothing of this one."""
    found = objects(server)
    assert set(found) == {*Archive.objects.values_list("key", flat=True)}
    assert [verify.fault_of(it) for it in Archive.objects.all()] == [""] * HOURS
    assert SUBJECT.encode() not in b"".join(found.values())
    whole = [it for content in found.values() for it in map(orjson.loads, content.splitlines()) if it.get("subject")]
    assert sorted("data" in it["cloudevent"] for it in whole) == [False] * HOURS + [True] * HOURS


def test_objects_in_the_bucket_are_written_anew_and_the_old_ones_deleted(server: S3Server, tenant: Tenant) -> None:
    archive_hours(tenant)
    before = set(objects(server))
    row = erase_to_end(erasures.start(tenant, SUBJECT, by="ops"))
    assert (row.state, row.archives_rewritten, row.erased_in_archive) == ("finished", HOURS, HOURS)
    assert not before & set(objects(server))
    assert_erased(server)
    assert replay_archive(tenant).replayed == HOURS
    assert set(Event.objects.values_list("subject", flat=True)) == {"user-2"}


def test_killed_processes_erase_each_event_once_and_lose_none(
    server: S3Server, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_hours(tenant)
    monkeypatch.setattr(archived_subject, "WRITING", timedelta(0))
    row = erasures.start(tenant, SUBJECT, by="ops", rate=1_000)
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "WAYPOST_DATA": str(project.WAYPOST_DATA),
        "WAYPOST_ARCHIVE_URL": f"s3://{BUCKET}/{PREFIX}?endpoint={server.url}&region=us-east-1",
    }
    done = subprocess.run([sys.executable, "-c", CRASH], env=environment, capture_output=True, text=True, check=True)
    *progress, (killed, last) = [tuple(map(int, it.split())) for it in done.stdout.splitlines()]
    assert (killed > 20, last) == (True, 0)
    assert {faults for _, faults in progress} == {0}
    assert len({rewritten for rewritten, _ in progress}) > 1
    row = erase_to_end(row)
    counted = (row.state, row.archives_searched, row.archives_rewritten, row.erased_in_archive)
    assert counted == ("finished", HOURS, HOURS, HOURS)
    assert_erased(server)


@pytest.mark.parametrize("fault", ["no bucket", "no server", "other folder"])
def test_erasure_waits_while_the_bucket_cannot_be_used(
    server: S3Server, settings: Any, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    archive_hours(tenant)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    there = settings.STORAGES
    options = {
        "no bucket": {"bucket_name": "other"},
        "no server": {"endpoint_url": "http://127.0.0.1:9"},
        "other folder": {"location": "elsewhere"},
    }[fault]
    away = {**there["archive"], "OPTIONS": {**there["archive"]["OPTIONS"], **options}}
    settings.STORAGES = {**there, "archive": away}
    row = erasures.start(tenant, SUBJECT, by="ops")
    for _ in range(2):
        erasures.run_slices()
    row.refresh_from_db()
    assert (row.state, row.finished_at, row.last_error) == ("running", None, archived_subject.AWAY)
    settings.STORAGES = there
    assert erase_to_end(row).erased_in_archive == HOURS
    assert_erased(server)
