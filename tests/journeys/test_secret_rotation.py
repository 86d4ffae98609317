"""Test that during a rotation either secret verifies, and afterwards only the new one."""

from django.utils import timezone
from standardwebhooks import WebhookVerificationError

from subscriptions.endpoints.signing_secrets import rotate_secret
from subscriptions.models import Endpoint, SigningSecret
from tests.journeys.conftest import Workers
from tests.journeys.deliveries import publish_to, subscribed_endpoint
from tests.receiver import Arrival, Receiver
from tests.waiting import wait_until
from webhooks.wire.signing.keys import new_secret


def test_rotated_secret_verifies_until_the_overlap_ends(workers: Workers, receiver: Receiver) -> None:
    old = new_secret()
    endpoint = subscribed_endpoint(receiver.url(), secret=old)
    workers.start("beat")
    workers.start_delivery_workers(1)
    assert is_signed_with(old, next_arrival(endpoint, receiver))

    _, new = rotate_secret(endpoint, overlap_seconds=8)

    def is_signed_with_both() -> bool:
        arrival = next_arrival(endpoint, receiver)
        assert is_signed_with(old, arrival)
        return is_signed_with(new, arrival)

    wait_until(is_signed_with_both, "the new secret to sign too", every=0.1)
    over = SigningSecret.objects.exclude(expires_at=None).values_list("expires_at", flat=True).get()
    wait_until(lambda: over and timezone.now() > over, "the overlap to end")
    arrival = next_arrival(endpoint, receiver)
    assert is_signed_with(new, arrival)
    assert not is_signed_with(old, arrival)


def next_arrival(endpoint: Endpoint, receiver: Receiver) -> Arrival:
    """Publish an event and return its request."""
    known = len(receiver.arrivals)
    publish_to(endpoint)
    return receiver.wait_for(known + 1)[known]


def is_signed_with(secret: str, arrival: Arrival) -> bool:
    try:
        arrival.verify(secret)
    except WebhookVerificationError:
        return False
    return True
