"""Whether a request is signed by an endpoint of the tenant that sends to the inspector, and why not."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from subscriptions.inspectors.inspectors import create_inspector, url_of
from subscriptions.inspectors.requests import Arrival, keep_request
from subscriptions.inspectors.verification import NO_ENDPOINT
from subscriptions.models import InspectedRequest, Inspector, SigningSecret
from tests.factories import make_endpoint, make_secret, make_tenant
from webhooks.wire.signing import sign
from webhooks.wire.signing.keys import new_keypair, new_secret

pytestmark = pytest.mark.django_db

BODY = b'{"a": 1}'


@pytest.fixture
def inspector() -> Inspector:
    return create_inspector(make_tenant())


def sent(inspector: Inspector, secret: str, *, body: bytes = BODY, at: float | None = None) -> InspectedRequest:
    """Keep a request that was signed with this secret."""
    timestamp = int(time.time() if at is None else at)
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, "evt_1", timestamp, BODY),
    }
    return keep_request(inspector, Arrival("POST", "/", headers, body))


@pytest.mark.parametrize("signing", ["v1", "v1a"])
def test_signature_of_the_endpoint_at_the_inspector_is_valid(inspector: Inspector, signing: str) -> None:
    secret = new_secret() if signing == "v1" else new_keypair()[0]
    endpoint = make_endpoint(inspector.tenant, url=url_of(inspector), secret=secret)
    kept = sent(inspector, secret)
    assert (kept.is_verified, kept.endpoint_id) == (True, endpoint.pk)
    assert kept.verification == f"Signed with a secret of {endpoint.public_id}."


def test_any_of_several_endpoints_and_secrets_verifies(inspector: Inspector) -> None:
    old, secret = new_secret(), new_secret()
    first = make_endpoint(inspector.tenant, url=url_of(inspector).rstrip("/"), secret=secret)
    make_endpoint(inspector.tenant, url=url_of(inspector))
    make_secret(first, old, expires_at=timezone.now() + timedelta(hours=1))
    assert [sent(inspector, it).endpoint_id for it in (secret, old)] == [first.pk, first.pk]
    SigningSecret.objects.exclude(expires_at=None).update(expires_at=timezone.now())
    assert sent(inspector, old).is_verified is False


def test_invalid_signature_says_why(inspector: Inspector) -> None:
    secret = new_secret()
    make_endpoint(inspector.tenant, url=url_of(inspector), secret=secret)
    assert sent(inspector, secret, body=b"{}").verification == "No signature matches a known secret."
    assert sent(inspector, new_secret()).verification == "No signature matches a known secret."
    stale = sent(inspector, secret, at=time.time() - 3600)
    assert stale.verification.startswith("The timestamp is outside the tolerance. (-36")
    unsigned = keep_request(inspector, Arrival("POST", "/", {}, BODY))
    assert unsigned.verification == "A required header is missing or empty. (webhook-id)"
    assert unsigned.is_verified is False


def test_without_an_endpoint_of_the_tenant_nothing_is_compared(inspector: Inspector) -> None:
    secret = new_secret()
    make_endpoint(make_tenant(), url=url_of(inspector), secret=secret)
    make_endpoint(inspector.tenant, url="https://example.com/", secret=secret)
    make_endpoint(inspector.tenant, url=url_of(inspector), secret=secret, deleted_at=timezone.now())
    kept = sent(inspector, secret)
    assert (kept.is_verified, kept.verification) == (None, NO_ENDPOINT)
