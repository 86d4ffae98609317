"""One task per delivery, as most applications do it; done well: connections are kept, of the database and to the
endpoints, two statements read, both writes share a transaction, and what fails is tried again later."""

import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime
from typing import Any

import requests
from celery import shared_task
from django.db import transaction
from django.utils import timezone
from requests.adapters import HTTPAdapter

from benchmarks.usual.models import Attempt, Delivery

RETRIES = 9
FIRST_WAIT = 5  # seconds; doubles each time

_session = requests.Session()  # one in each worker process
_session.trust_env = False
_session.mount("http://", HTTPAdapter(pool_connections=1_000, pool_maxsize=1_000))


@shared_task(bind=True, name="usual.deliver", max_retries=RETRIES)
def deliver(self: Any, delivery_id: int) -> None:
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
    """The status and what was wrong with it."""
    body, message_id, timestamp = bytes(delivery.event.body), f"msg_{delivery.event_id}", str(int(time.time()))
    mac = hmac.new(bytes(delivery.endpoint.secret), f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(mac.digest()).decode()}",
    }
    try:
        answer = _session.post(
            delivery.endpoint.url, data=body, headers=headers, timeout=(5, 15), allow_redirects=False
        )
    except requests.RequestException as error:
        return None, type(error).__name__
    return answer.status_code, "" if answer.ok else "status"
