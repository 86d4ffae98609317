"""A process killed within a slice of an erasure leaves the slice undone, and the next one erases the rest."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

from delivery.lifecycle import erasures
from delivery.models import Delivery, Erasure, Event
from tests.database_url import database_url
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db(transaction=True)

# Forks a worker that kills itself before one statement of the erasure, each time a later one, in slices of one event.
# Prints after each how many events are erased, and the progress in the row.
CRASH = """
import os, signal
import django
django.setup()
from django.db import connection
from config.local import embedded
from delivery.lifecycle import erasures
from delivery.models import Erasure, Event

STEP = 10


def kill_before(statement):
    executed = 0

    def count(execute, *arguments):
        nonlocal executed
        executed += 1
        if executed == statement:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(*arguments)
    return count


object.__setattr__(erasures.KIND, "size", 1)
killed = 0
while True:
    child = os.fork()
    if child == 0:
        with connection.execute_wrapper(kill_before(1 + STEP * killed)):
            erasures.run_slices()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    Erasure.objects.update(sliced_at=None)
    print(Event.objects.exclude(payload_deleted_at=None).count(), Erasure.objects.get().erased)
    connection.close()
    if not os.WIFSIGNALED(status):
        break
    killed += 1
print(killed, os.waitstatus_to_exitcode(status))
"""


def test_erasure_killed_within_its_slices_erases_each_event_once() -> None:
    tenant = make_tenant()
    for _ in range(3):
        make_delivery(make_event(tenant, subject="user-1", data={"card": "4111"}), make_endpoint(tenant))
    row = erasures.start(tenant, "user-1", by="ops", rate=1_000)
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "WAYPOST_DATA": str(settings.WAYPOST_DATA),
    }
    done = subprocess.run([sys.executable, "-c", CRASH], env=environment, capture_output=True, text=True, check=True)
    *progress, (killed, last) = [tuple(map(int, it.split())) for it in done.stdout.splitlines()]
    assert (killed >= 3, last) == (True, 0)
    assert all(erased == counted for erased, counted in progress)
    assert len(set(progress)) > 1
    row.refresh_from_db()
    assert (row.state, row.erased, row.deliveries, row.cancelled, row.subject) == ("finished", 3, 3, 3, "")
    assert set(Delivery.objects.values_list("state", flat=True)) == {"cancelled"}
    assert not Event.objects.filter(payload_deleted_at=None).exists()
    assert Erasure.objects.get().total == 3
