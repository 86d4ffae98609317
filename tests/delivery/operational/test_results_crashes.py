"""A process killed at any statement between the end of a delivery and its routed record loses and repeats none."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

from delivery.models import DeferredFanOut, Delivery, Event, PendingResult
from tests.database_url import database_url
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db(transaction=True)

# Forks a worker for each statement that the work executes, which kills itself before this one. Prints how many did.
CRASH = """
import os, signal
import django
django.setup()
import delivery.sql.cancel, delivery.sql.publish
from django.db import connection
from config.local import embedded
from delivery import notify
from delivery.fan_out import deferred
from delivery.lifecycle.cancel import cancel_deliveries
from delivery.models import Delivery
from delivery.operational import publish_results
from delivery.sql import fan_out, results

for name in ("drain_starter", "fan_out_starter", "result_starter"):
    starter = getattr(notify, name)
    starter.notify = starter.send = lambda: None


def kill_before(statement):
    executed = 0

    def dies(run):
        def call(*arguments):
            nonlocal executed
            executed += 1
            if executed == statement:
                os.kill(os.getpid(), signal.SIGKILL)
            return run(*arguments)
        return call

    for module in (fan_out, results, delivery.sql.cancel, delivery.sql.publish):
        module.run = dies(module.run)


killed = 0
while True:
    child = os.fork()
    if child == 0:
        kill_before(killed + 1)
        cancel_deliveries(list(Delivery.objects.filter(state="pending", event__type="order.created").values_list(
            "id", flat=True)), "ops")
        publish_results.run()
        deferred.run()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status):
        break
    killed += 1
    with connection.cursor() as cursor:  # as after the time of a claim
        cursor.execute("UPDATE delivery_deferredfanout SET claimed_until = now() - interval '1 second'")
    connection.close()
print(killed, os.waitstatus_to_exitcode(status))
"""


def test_worker_killed_before_any_statement_loses_and_repeats_no_record() -> None:
    tenant = make_tenant()
    results = make_endpoint(tenant)
    endpoint = make_endpoint(tenant, on_failure=results)
    deliveries = [make_delivery(make_event(tenant), endpoint) for _ in range(3)]
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "WAYPOST_DATA": str(settings.WAYPOST_DATA),
    }
    done = subprocess.run([sys.executable, "-c", CRASH], env=environment, capture_output=True, text=True, check=True)
    killed, last = map(int, done.stdout.split())
    assert (killed >= 8, last) == (True, 0)
    assert not PendingResult.objects.exists()
    assert not DeferredFanOut.objects.exists()
    about = Event.objects.filter(type="waypost.delivery.failed").values_list("about", flat=True)
    assert sorted(about) == sorted(it.event_id for it in deliveries)
    assert Delivery.objects.filter(endpoint=results).count() == 3
