"""Keep the requests that an inspector receives: the latest, each with a bounded part of its body."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import transaction

from subscriptions.inspectors.verification import credential_headers, endpoints_at, verification_of
from subscriptions.models import InspectedRequest, Inspector
from webhooks.kit.bodies.stored_headers import redact_credentials
from webhooks.kit.caches.bounded_cache import BoundedCache
from webhooks.kit.rate_limit import RateLimit
from webhooks.wire.bodies.storable_text import storable

KEPT_REQUESTS = 100  # of an inspector; older ones are deleted
KEPT_BODY = 64 * 1024  # bytes of each body
REQUESTS_PER_SECOND = 20  # of an inspector, in each web process
REQUESTS_AT_ONCE = 100
MAX_PATH = 2048  # characters
MAX_METHOD = 32  # characters
MAX_REMEMBERED = 10_000  # inspectors whose rate a process remembers

_rates = BoundedCache[RateLimit](MAX_REMEMBERED)
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it arrived; the names of its headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def seconds_to_wait(inspector: Inspector) -> float:
    """Count one request against the rate of the inspector; return after how many seconds it may come, 0 for now."""
    with _lock:
        rate = _rates.get(inspector.pk) or RateLimit(REQUESTS_PER_SECOND, max_burst=REQUESTS_AT_ONCE)
        _rates.put(inspector.pk, rate)
        now = time.monotonic()
        if wait := rate.ready_at(now) - now:
            return wait
        rate.spend(1, now)
    return 0.0


def keep_request(inspector: Inspector, arrival: Arrival) -> InspectedRequest:
    """Store a request with the result of its verification, and delete all but the latest KEPT_REQUESTS."""
    endpoints = endpoints_at(inspector)
    verification = verification_of(endpoints, arrival.headers, arrival.body)
    kept = InspectedRequest(
        inspector=inspector,
        method=storable(arrival.method)[:MAX_METHOD],
        path=storable(arrival.path)[:MAX_PATH],
        headers=redact_credentials(arrival.headers, credential_headers(endpoints)),
        body=arrival.body[:KEPT_BODY],
        body_bytes=len(arrival.body),
        response_status=inspector.response_status,
        is_verified=verification.is_verified,
        verification=verification.reason[:256],
        endpoint_id=verification.endpoint_id,
    )
    with transaction.atomic():
        if not Inspector.objects.select_for_update(no_key=True).filter(pk=inspector.pk).exists():
            return kept  # deleted since it was found
        kept.save(force_insert=True)
        older = inspector.requests.order_by("-pk").values_list("pk", flat=True)[KEPT_REQUESTS:]
        InspectedRequest.objects.filter(pk__in=list(older)).delete()
    return kept
