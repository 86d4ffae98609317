"""Deliver with one Celery task per delivery, done well: connections are kept, both writes share a transaction.

Run as `python -m benchmarks.usual.tasks purge` to empty the broker.
"""

import base64
import hashlib
import hmac
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django
import requests
from celery import Celery
from celery.signals import worker_ready
from django.db import transaction
from django.utils import timezone
from requests.adapters import HTTPAdapter

django.setup()
from benchmarks.usual.models import Attempt, Delivery  # noqa: E402

RETRIES = 9
FIRST_WAIT = 5  # seconds; doubles each time

app = Celery("usual")
app.config_from_object("django.conf:settings", namespace="CELERY")
_session = requests.Session()  # one in each worker process
_session.trust_env = False
_session.mount("http://", HTTPAdapter(pool_connections=1_000, pool_maxsize=1_000))


@app.task(bind=True, name="usual.deliver", max_retries=RETRIES)
def deliver(self: Any, delivery_id: int) -> None:
    """Send one delivery; retry later if it fails."""
    delivery = Delivery.objects.select_related("event", "endpoint").get(pk=delivery_id)
    if delivery.state == "delivered":
        return
    started_at = datetime.now(UTC)
    status, error = _post(delivery)
    delivery.attempts += 1
    if not error:
        delivery.state, delivery.delivered_at = "delivered", timezone.now()
    elif self.request.retries >= RETRIES:
        delivery.state = "failed"
    duration_ms = round((datetime.now(UTC) - started_at).total_seconds() * 1000)
    with transaction.atomic():
        Attempt.objects.create(
            delivery=delivery, started_at=started_at, duration_ms=duration_ms, status=status, error=error
        )
        delivery.save(update_fields=["state", "attempts", "delivered_at"])
    if delivery.state == "pending":
        raise self.retry(countdown=FIRST_WAIT * 2**self.request.retries)


def _post(delivery: Delivery) -> tuple[int | None, str]:
    """Return the status, and what is wrong with it."""
    body, message_id, now = bytes(delivery.event.body), f"msg_{delivery.event.pk}", str(int(time.time()))
    mac = hmac.new(bytes(delivery.endpoint.secret), f"{message_id}.{now}.".encode() + body, hashlib.sha256)
    signature = f"v1,{base64.b64encode(mac.digest()).decode()}"
    headers = {"webhook-id": message_id, "webhook-timestamp": now, "webhook-signature": signature}
    headers["Content-Type"] = "application/json"
    try:
        response = _session.post(
            delivery.endpoint.url, data=body, headers=headers, timeout=(5, 15), allow_redirects=False
        )
    except requests.RequestException as error:
        return None, type(error).__name__
    return response.status_code, "" if response.ok else "status"


def queue(deliveries: Sequence[int]) -> None:
    """Queue a task for each of these deliveries, over one connection to the broker."""
    with app.pool.acquire(block=True) as broker:
        for delivery in deliveries:
            app.send_task("usual.deliver", [delivery], connection=broker)


@worker_ready.connect
def announce(**_signal: object) -> None:
    """Create the file that the benchmark waits for."""
    Path(os.environ["USUAL_READY"]).touch()


if __name__ == "__main__" and sys.argv[1:] == ["purge"]:
    with app.connection_for_write() as broker:
        broker.default_channel.client.flushdb()
