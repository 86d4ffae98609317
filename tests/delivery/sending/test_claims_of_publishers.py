"""Deliveries that publishing claims for a running drain: it sends them, or releases them at once."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils.timezone import now

from delivery import notify
from delivery.models import Attempt, Delivery, Lane
from delivery.publishing.group_publish import publish_in_group
from delivery.sending import drain
from delivery.sending.claimed_ahead import PublisherClaims
from delivery.sending.drain import deliver_due
from delivery.sql.claim import CLAIM_GRACE, HOLD_SECONDS
from delivery.sql.due import CHANNEL, CLAIMED, OWNER_CHANNEL
from subscriptions.endpoints.state import pause
from subscriptions.models import Endpoint
from tests import receiver as scripts
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint, make_subscription
from tests.receiver import Receiver
from tests.threads import in_threads
from tests.waiting import wait_until
from webhooks.kit.sql import run
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db(transaction=True)

TIMEOUT = 2.0  # seconds
END_LISTENERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND query LIKE 'LISTEN%%'
"""
WAITING_FOR_LOCKS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture(autouse=True)
def loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow endpoints on this machine, and send nothing to the broker."""
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)


def subscribed(url: str, **changes: Any) -> Endpoint:
    return make_subscription(make_endpoint(**{"url": url, "timeout_ms": TIMEOUT * 1000, **changes})).endpoint


@contextmanager
def draining() -> Iterator[Callable[[], None]]:
    """Run a drain beside the test; yields what ends it."""
    over = threading.Event()
    results: list[Any] = []
    deliver = lambda: deliver_due(idle_timeout=600.0, seconds=600.0, stopping=over.is_set)  # noqa: E731
    thread = threading.Thread(target=lambda: results.extend(in_threads(deliver)))
    thread.start()

    def end() -> None:
        over.set()
        connection.cursor().execute(f"NOTIFY {CHANNEL}")  # wakes the drain
        thread.join()

    try:
        yield end
    finally:
        end()
    assert isinstance(results[0], int), results


def publish_one(endpoint: Endpoint, data: Any = None) -> Delivery:
    (published,) = publish_in_group(endpoint.tenant, [{"type": "order.created", "data": data}])
    return Delivery.objects.get(event__event_id=published.event_id)


def publish_until_claimed(endpoint: Endpoint) -> None:
    """Publish until the drain lets publishers claim for the lane."""

    def is_claimed_for() -> bool:
        delivery = publish_one(endpoint)
        wait_until(lambda: is_delivered(delivery), "a delivery")
        return Lane.objects.filter(endpoint=endpoint, publishers_claim=True).exists()

    wait_until(is_claimed_for, "publishers to claim")


def claim_for(owner: UUID, endpoint: Endpoint, seconds: float = TIMEOUT + CLAIM_GRACE + HOLD_SECONDS) -> Delivery:
    """Create a delivery as publishing does, that is claimed for ``owner``."""
    claimed_until = now() + timedelta(seconds=seconds)
    return make_delivery(
        make_event(endpoint.tenant), endpoint, state="sending", token=owner, claims=1, claimed_until=claimed_until
    )


def notify_of(owner: UUID, delivery: Delivery) -> None:
    run(
        "SELECT pg_notify(%(channel)s, %(text)s)",
        {"channel": f"{OWNER_CHANNEL}{owner}", "text": f"{CLAIMED} {delivery.id}"},
    )


def owner_of(endpoint: Endpoint) -> UUID:
    owner = wait_until(lambda: Lane.objects.get(endpoint=endpoint).owner, "the lease")
    assert owner is not None
    return owner


def is_delivered(delivery: Delivery) -> bool:
    return Delivery.objects.get(id=delivery.id).state == "delivered"


def test_delivery_of_a_lane_in_steady_use_is_sent_under_the_claim_of_its_publisher(receiver: Receiver) -> None:
    answer = threading.Event()

    def waits(exchange: scripts.Exchange) -> None:
        if b"held" in receiver.arrivals[-1].body:
            answer.wait()
        scripts.status(200)(exchange)

    endpoint = subscribed(receiver.script("/", waits))
    with draining():
        publish_until_claimed(endpoint)
        count = len(receiver.arrivals)
        sending = publish_one(endpoint, "held")
        receiver.wait_for(count + 1)
        assert (sending.state, sending.token, sending.claims) == ("sending", owner_of(endpoint), 1)
        answer.set()
        wait_until(lambda: is_delivered(sending), "its settlement")
    assert list(Attempt.objects.filter(delivery=sending).values_list("number", "status")) == [(1, 200)]


def test_ordered_and_limited_lanes_are_claimed_for_by_their_drain_alone(receiver: Receiver) -> None:
    ordered = subscribed(receiver.url("/ordered"), ordering="endpoint")
    limited = subscribed(receiver.url("/limited"), rate_limit=1000)
    steady = subscribed(receiver.url("/steady"))
    with draining():
        for _ in range(5):
            for endpoint in (ordered, limited):
                count = len(receiver.arrivals)
                publish_one(endpoint)
                receiver.wait_for(count + 1)
        publish_until_claimed(steady)
        assert set(Lane.objects.filter(publishers_claim=True).values_list("endpoint", flat=True)) == {steady.id}


def test_drain_that_ends_leaves_no_claim_behind(receiver: Receiver) -> None:
    endpoint = subscribed(receiver.url())
    over = threading.Event()

    def publishes() -> int:
        count = 0
        while not over.is_set():
            publish_one(endpoint)
            count += 1
        return count

    results: list[Any] = []
    with draining() as end:
        publish_until_claimed(endpoint)
        before = Delivery.objects.count()
        publishing = threading.Thread(target=lambda: results.extend(in_threads(publishes)))
        publishing.start()
        receiver.wait_for(before + 20)
        end()
        over.set()
        publishing.join()
    assert not Delivery.objects.filter(state="sending").exists()
    deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    assert set(receiver.counts().values()) == {1}
    assert len(receiver.arrivals) == Attempt.objects.count() == before + results[0]


def test_claim_that_the_drain_learns_of_too_late_is_released_and_made_again(receiver: Receiver) -> None:
    endpoint = subscribed(receiver.url())
    with draining():
        publish_until_claimed(endpoint)
        late = claim_for(owner_of(endpoint), endpoint, seconds=TIMEOUT + CLAIM_GRACE - 0.01)
        notify_of(owner_of(endpoint), late)
        wait_until(lambda: is_delivered(late), "the delivery")
    assert list(Attempt.objects.filter(delivery=late).values_list("number", "status")) == [(1, 200)]


def test_claim_for_a_lane_that_the_drain_does_not_lease_is_released_and_made_again(receiver: Receiver) -> None:
    endpoint, other = subscribed(receiver.url()), subscribed(receiver.url("/other"))
    with draining():
        publish_until_claimed(endpoint)
        stray = claim_for(owner_of(endpoint), other)
        Lane.objects.create(endpoint=other, tenant=other.tenant)
        notify_of(owner_of(endpoint), stray)
        wait_until(lambda: is_delivered(stray), "the delivery")
    assert len(receiver.at("/other")) == Attempt.objects.filter(delivery=stray).count() == 1


def test_claim_for_an_endpoint_that_was_paused_since_is_released(receiver: Receiver) -> None:
    endpoint, other = subscribed(receiver.url()), subscribed(receiver.url("/other"))
    with draining():
        publish_until_claimed(endpoint)
        publish_until_claimed(other)
        owner = owner_of(endpoint)
        pause(endpoint)
        wait_until(lambda: Lane.objects.get(endpoint=endpoint).owner is None, "the release of the lane")
        stray = claim_for(owner, endpoint)
        notify_of(owner, stray)
        wait_until(lambda: Delivery.objects.get(id=stray.id).state == "pending", "the release of the claim")
    assert not Attempt.objects.filter(delivery=stray).exists()


def test_claim_whose_notification_was_lost_with_the_connection_is_found(receiver: Receiver) -> None:
    endpoint = subscribed(receiver.url())
    with draining():
        publish_until_claimed(endpoint)
        lost = claim_for(owner_of(endpoint), endpoint)
        run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'LISTEN' AND pid <> pg_backend_pid()",
            {},
        )
        wait_until(lambda: is_delivered(lost), "the delivery")
    assert list(Attempt.objects.filter(delivery=lost).values_list("number", "status")) == [(1, 200)]
    assert set(receiver.counts().values()) == {1}


def test_claim_whose_notification_never_arrives_is_found_while_the_connection_seems_to_work(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "LOOK_FOR_CLAIMS_EVERY", 0.1)
    endpoint = subscribed(receiver.url())
    with draining():
        publish_until_claimed(endpoint)
        lost = claim_for(owner_of(endpoint), endpoint)
        wait_until(lambda: is_delivered(lost), "the delivery")
    assert list(Attempt.objects.filter(delivery=lost).values_list("number", "status")) == [(1, 200)]


def held_by(owner: UUID) -> tuple[PublisherClaims, list[UUID]]:
    """Return the claims of publishers for this owner, and the ids of what they hold."""
    held: list[UUID] = []
    return PublisherClaims(owner, lambda claims, _token, _asked_at: held.extend(it.id for it, _ in claims)), held


def test_claim_that_is_found_after_a_reconnection_and_notified_later_is_held_once() -> None:
    owner = new_id()
    delivery = claim_for(owner, make_endpoint())
    claims, held = held_by(owner)
    claims.on_missed()
    claims.read()
    claims.on_notified([delivery.id])
    claims.read()
    assert held == [delivery.id]
    assert not claims.are_waiting


def test_claims_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delivery.sending.claimed_ahead.READ_AT_ONCE", 2)
    owner, endpoint = new_id(), make_endpoint()
    made = {claim_for(owner, endpoint).id for _ in range(3)}
    claims, held = held_by(owner)
    claims.on_notified(made)
    assert (claims.read(), claims.are_waiting) == (2, True)
    assert (claims.read(), claims.are_waiting) == (1, False)
    assert set(held) == made


def test_claim_that_comes_while_the_ending_drain_reads_another_one_is_sent_once(receiver: Receiver) -> None:
    answer, is_locked, is_over = threading.Event(), threading.Event(), threading.Event()

    def waits(exchange: scripts.Exchange) -> None:
        if b"held" in receiver.arrivals[-1].body:
            answer.wait()
        scripts.status(200)(exchange)

    def lock_events() -> None:
        with transaction.atomic():
            run("LOCK TABLE delivery_event IN ACCESS EXCLUSIVE MODE", {})
            is_locked.set()
            is_over.wait()

    endpoint = subscribed(receiver.script("/", waits))
    locking = threading.Thread(target=lambda: in_threads(lock_events))
    with draining() as end, end_all(is_over, answer):
        publish_until_claimed(endpoint)
        owner = owner_of(endpoint)
        first, second = claim_for(owner, endpoint, 20.0), claim_for(owner, endpoint, 20.0)
        count = len(receiver.arrivals)
        publish_one(endpoint, "held")
        receiver.wait_for(count + 1)
        ending = threading.Thread(target=lambda: in_threads(end))
        ending.start()
        wait_until(lambda: not Lane.objects.get(endpoint=endpoint).publishers_claim, "the end of claims")
        locking.start()
        is_locked.wait()
        notify_of(owner, first)
        wait_until(lambda: run(WAITING_FOR_LOCKS, {})[0][0] > 0, "the drain to read the first claim")
        notify_of(owner, second)
        time.sleep(0.1)  # the drain gets the notification while its statement waits
    locking.join()
    ending.join()
    assert not Delivery.objects.filter(state="sending").exists()
    deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)
    assert set(receiver.counts().values()) == {1}
    assert is_delivered(first)
    assert is_delivered(second)


@contextmanager
def end_all(*events: threading.Event) -> Iterator[None]:
    """Set these events at the end, so that no thread waits for them."""
    try:
        yield
    finally:
        for event in events:
            event.set()
