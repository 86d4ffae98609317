"""From the provider to the receiver over real HTTP: repeats, forgeries and large bodies among them, while workers die.

Every good event is handled exactly once, every forged one is a rejection and nothing else. ``WAYPOST_JOURNEY_EVENTS``
says how many are published; a thousand unless it does (``make journey``: ten thousand).
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
from tests.journeys.conftest import Crew
from tests.journeys.working import kill_and_replace, marked
from tests.waiting import wait_until, wait_while_it_grows
from webhooks.models import Receipt, Rejection, Source, SourceHour
from webhooks.wire.ids import public
from webhooks.wire.signing.standard_webhooks import new_secret

COUNT = int(os.environ.get("WAYPOST_JOURNEY_EVENTS", "1000"))
REPEATED, FORGED, LARGE = COUNT * 5 // 100, COUNT // 100, COUNT // 100
LARGE_SIZE = 1_010_000  # bytes: more than a megabyte, and not more than an event may have
SECRET = new_secret()


def provider(source: Source, crew: Crew) -> Tenant:
    url = f"{crew.address}/in/{source.public_id}/"
    endpoint = make_endpoint(url=url, secret=SECRET, timeout_ms=30_000, max_in_flight=16)
    return make_subscription(endpoint).endpoint.tenant


def events(first: int, last: int) -> list[dict[str, object]]:
    """Every hundredth is a large one."""
    filling = {True: "x" * LARGE_SIZE, False: "small"}
    return [{"type": "journey.step", "data": {"n": n, "filling": filling[n % 100 == 7]}} for n in range(first, last)]


def post(crew: Crew, source: Source, body: bytes, headers: dict[str, str]) -> int:
    """As a sender who is not Waypost: who repeats what had been sent, or forges it."""
    line = HTTPConnection(crew.address.removeprefix("http://"), timeout=60)
    try:
        line.request("POST", f"/in/{source.public_id}/", body, {"content-type": "application/json", **headers})
        return line.getresponse().status
    finally:
        line.close()


def repeats_and_forgeries(crew: Crew, source: Source) -> list[int]:
    """Send some of what has come again, properly signed, and some messages that others signed. The statuses."""
    dice = random.Random(1)
    kept = list(Receipt.objects.filter(body_key="").values_list("message_id", "body"))
    again = [(bytes(body), name, SECRET) for name, body in dice.sample(kept, min(REPEATED, len(kept)))]
    forged = [(b'{"type":"journey.forged"}', f"forged-{number}", new_secret()) for number in range(FORGED)]
    both = again + forged
    dice.shuffle(both)

    def send(one: tuple[bytes, str, str]) -> int:
        body, name, secret = one
        return post(crew, source, body, signed(body, secret=secret, message_id=name))

    with ThreadPoolExecutor(4) as senders:
        return sorted(senders.map(send, both))


def processed() -> int:
    return Receipt.objects.filter(processed_at__isnull=False).count()


def test_every_good_event_is_handled_once_and_every_forged_one_is_a_rejection(crew: Crew, marks: None) -> None:
    source = make_source(secret=SECRET, handlers=[{"handler": "mark"}])
    tenant = provider(source, crew)
    (worker, *_) = crew.start("work", "web", "beat", "deliver")
    published = [it.id for n in range(0, COUNT, 50) for it in publish(tenant, events(n, min(n + 50, COUNT)))]
    wait_while_it_grows(processed, COUNT // 4 + 1, "a quarter to be handled")
    worker = kill_and_replace(crew, worker)
    statuses = repeats_and_forgeries(crew, source)
    wait_while_it_grows(processed, COUNT // 2 + 1, "half to be handled")
    kill_and_replace(crew, worker)

    wait_while_it_grows(processed, COUNT, "everything to be handled")
    assert Receipt.objects.count() == processed() == COUNT
    assert Counter(statuses) == {200: REPEATED, 401: FORGED}
    assert Counter(marked()) == dict.fromkeys((public("evt", id) for id in published if id), 1)
    assert Receipt.objects.exclude(body_key="").count() == LARGE
    assert set(Rejection.objects.values_list("reason", flat=True)) == {"no_match"}
    wait_until(
        lambda: SourceHour.objects.aggregate(all=Sum("rejected"))["all"] == FORGED, "all rejections to be counted"
    )
