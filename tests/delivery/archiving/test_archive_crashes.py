"""A process killed at any step of the archive loses no event and archives none twice."""

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
import zstandard
from django.conf import settings

from delivery.models import Archive, Event
from tests.database_url import database_url
from tests.delivery.archiving.factories import DAYS, old_delivery
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db(transaction=True)

# Forks a process that kills itself before one statement of the retention, each time a later one, or before or after the
# object is written. Prints after each how many events are in the table and in the index.
CRASH = """
import os, signal
import django
django.setup()
from django.db import connection
from config.local import embedded
from delivery.archiving import storage
from delivery.lifecycle import retention
from delivery.models import Archive, Event
from django.db.models import Sum
from webhooks.kit import sql

executed = 0


def step():
    global executed
    executed += 1
    if executed == limit:
        os.kill(os.getpid(), signal.SIGKILL)


def count(execute, *arguments):
    step()
    return execute(*arguments)


run_statement = sql._run


def run(*arguments):
    step()
    return run_statement(*arguments)


sql._run = run
written = storage._write


def write(*arguments):
    step()
    key = written(*arguments)
    step()
    return key


storage._write = write
killed = 0
while True:
    child = os.fork()
    if child == 0:
        limit = 1 + killed
        with connection.execute_wrapper(count):
            retention.apply_retention()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print(Event.objects.count(), Archive.objects.aggregate(n=Sum("events"))["n"] or 0)
    connection.close()
    if not os.WIFSIGNALED(status):
        break
    killed += 1
print(killed, os.waitstatus_to_exitcode(status))
"""


def test_killed_processes_archive_each_event_once(tmp_path: Path) -> None:
    endpoint = make_endpoint(make_tenant(retention_days=DAYS))
    for hour in range(3):
        for minute in range(2):
            old_delivery(endpoint, minute, hour=hour)
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "WAYPOST_DATA": str(settings.WAYPOST_DATA),
        "WAYPOST_ARCHIVE_URL": tmp_path.as_uri(),
    }
    done = subprocess.run([sys.executable, "-c", CRASH], env=environment, capture_output=True, text=True, check=True)
    *progress, (killed, last) = [tuple(map(int, it.split())) for it in done.stdout.splitlines()]
    assert killed > 10
    assert last == 0
    assert all(left + archived == 6 for left, archived in progress)
    assert len(set(progress)) > 1
    assert not Event.objects.exists()
    objects = [it for it in tmp_path.rglob("*") if it.is_file()]
    assert {str(it.relative_to(tmp_path)) for it in objects} == {*Archive.objects.values_list("key", flat=True)}
    lines = [line for path in objects for line in zstandard.decompress(path.read_bytes()).splitlines()]
    ids = [orjson.loads(line)["id"] for line in lines]
    assert (len(ids), len(set(ids))) == (6, 6)
