"""Test events from provider to receiver over HTTP, with duplicates, forgeries and large bodies, while workers die.

Every valid event is handled exactly once, and every forged one is only a rejection. ``WAYPOST_JOURNEY_EVENTS`` is the
number of events, 1,000 by default (``make journey``: 10,000).
"""

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

from django.db.models import Sum

from delivery.publishing.publisher import publish
from subscriptions.models import Tenant
from tests.factories import make_endpoint, make_subscription
from tests.factories_receiver import make_source, signed
from tests.journeys.conftest import Workers
from tests.journeys.receipt_workers import kill_and_replace, marked_message_ids
from tests.waiting import wait_until, wait_while_it_grows
from webhooks.models import Receipt, Rejection, Source, SourceHour
from webhooks.wire.signing.keys import new_secret

COUNT = int(os.environ.get("WAYPOST_JOURNEY_EVENTS", "1000"))
DUPLICATES, FORGED, LARGE = COUNT * 5 // 100, COUNT // 100, COUNT // 100
LARGE_SIZE = 1_010_000  # bytes: over a megabyte and under the limit of an event
SECRET = new_secret()


def provider(source: Source, workers: Workers) -> Tenant:
    url = f"{workers.address}/in/{source.public_id}/"
    endpoint = make_endpoint(url=url, secret=SECRET, timeout_ms=30_000, max_in_flight=16)
    return make_subscription(endpoint).endpoint.tenant


def events(first: int, last: int) -> list[dict[str, object]]:
    """Make events; every hundredth is large."""
    filling = {True: "x" * LARGE_SIZE, False: "small"}
    return [{"type": "journey.step", "data": {"n": n, "filling": filling[n % 100 == 7]}} for n in range(first, last)]


def post(workers: Workers, source: Source, body: bytes, headers: dict[str, str]) -> int:
    """Send a message as another sender does; return the status."""
    line = HTTPConnection(workers.address.removeprefix("http://"), timeout=60)
    try:
        line.request("POST", f"/in/{source.public_id}/", body, {"content-type": "application/json", **headers})
        return line.getresponse().status
    finally:
        line.close()


def send_duplicates_and_forgeries(workers: Workers, source: Source) -> list[int]:
    """Send signed duplicates of stored messages and messages with other signatures; return the statuses."""
    chance = random.Random(1)
    stored = list(Receipt.objects.filter(body_key="").values_list("message_id", "body"))
    again = [(bytes(body), name, SECRET) for name, body in chance.sample(stored, min(DUPLICATES, len(stored)))]
    forged = [(b'{"type":"journey.forged"}', f"forged-{number}", new_secret()) for number in range(FORGED)]
    both = again + forged
    chance.shuffle(both)

    def send(one: tuple[bytes, str, str]) -> int:
        body, name, secret = one
        return post(workers, source, body, signed(body, secret=secret, message_id=name))

    with ThreadPoolExecutor(4) as senders:
        return sorted(senders.map(send, both))


def processed() -> int:
    return Receipt.objects.filter(processed_at__isnull=False).count()


def test_valid_events_are_handled_once_and_forged_ones_rejected_while_workers_die(
    workers: Workers, mark_table: None
) -> None:
    source = make_source(secret=SECRET, handlers=[{"handler": "mark"}])
    tenant = provider(source, workers)
    (worker, *_) = workers.start("work", "web", "deliver")
    published = [it.id for n in range(0, COUNT, 50) for it in publish(tenant, events(n, min(n + 50, COUNT)))]
    wait_while_it_grows(processed, COUNT // 4 + 1, "a quarter to be handled")
    worker = kill_and_replace(workers, worker)
    statuses = send_duplicates_and_forgeries(workers, source)
    wait_while_it_grows(processed, COUNT // 2 + 1, "half to be handled")
    kill_and_replace(workers, worker)

    wait_while_it_grows(processed, COUNT, "everything to be handled")
    assert Receipt.objects.count() == processed() == COUNT
    assert Counter(statuses) == {200: DUPLICATES, 401: FORGED}
    assert Counter(marked_message_ids()) == dict.fromkeys(published, 1)
    assert Receipt.objects.exclude(body_key="").count() == LARGE
    assert set(Rejection.objects.values_list("reason", flat=True)) == {"no_match"}
    wait_until(
        lambda: SourceHour.objects.aggregate(all=Sum("rejected"))["all"] == FORGED, "all rejections to be counted"
    )
