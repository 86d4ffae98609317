"""python -m benchmarks.usual.publish COUNT SIZE URL...: make the tables, owe COUNT deliveries, queue a task for each."""

import json
import os
import sys

import django
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from benchmarks.frames import text
from benchmarks.usual.celery_app import app


def main(count: int, size: int, urls: list[str]) -> None:
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    endpoint, event, delivery = (apps.get_model("usual", name) for name in ("Endpoint", "Event", "Delivery"))
    endpoints = endpoint.objects.bulk_create([endpoint(url=url, secret=os.urandom(32)) for url in urls])
    body = json.dumps({"type": "bench", "data": {"filling": text(size - 60)}}).encode()
    events = event.objects.bulk_create([event(type="bench", body=body) for _ in range(count)], batch_size=1_000)
    owed = [delivery(event=one, endpoint=endpoints[number % len(urls)]) for number, one in enumerate(events)]
    owed = delivery.objects.bulk_create(owed, batch_size=1_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as autovacuum does for tables that are not a second old
    with app.pool.acquire(block=True) as broker:
        for one in owed:
            app.send_task("usual.deliver", [one.pk], connection=broker)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
