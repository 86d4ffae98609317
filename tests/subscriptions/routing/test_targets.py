"""Delivery targets: current after every change, and without what cannot be decrypted or may not be sent."""

import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from standardwebhooks import Webhook

from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.endpoints.signing_secrets import rotate_secret
from subscriptions.endpoints.state import disable, pause
from subscriptions.models import Endpoint, SigningSecret
from subscriptions.routing import targets
from subscriptions.routing.targets import DeliveryTarget, load_targets
from subscriptions.tenants.tenants import delete_tenant
from tests.factories import make_endpoint, make_secret
from webhooks.wire.ids import new_id
from webhooks.wire.signing.keys import new_secret


def target(endpoint: Endpoint) -> DeliveryTarget:
    return load_targets([endpoint.id])[endpoint.id]


def signs_with(it: DeliveryTarget, secret: str) -> bool:
    """Return whether one of the signatures equals that of the reference library with this secret."""
    assert it.signer is not None
    expected = Webhook(secret).sign("msg_1", datetime.fromtimestamp(1, UTC), "{}")
    return expected in it.signer.sign("msg_1", 1, b"{}").split()


@pytest.mark.django_db
class TestLoadTargets:
    def test_target_has_the_settings_of_its_endpoint(self) -> None:
        endpoint = make_endpoint(
            url="https://example.com/h",
            headers={"x-team": "red"},
            timeout_ms=2_000,
            rate_limit=300,
            rate_period="minute",
            retry_plan=[1, 2],
        )
        it = target(endpoint)
        assert (it.http.url, it.http.headers, it.timeout_ms) == ("https://example.com/h", ("x-team: red",), 2_000)
        assert it.address == it.http.url
        assert (it.rate_limit, it.retry_plan, it.max_in_flight) == (5, (1, 2), 512)
        assert it.is_active

    def test_unchanged_targets_cost_one_query_for_their_versions(self, django_assert_num_queries: Any) -> None:
        endpoints = [make_endpoint() for _ in range(3)]
        first = load_targets(it.id for it in endpoints)
        with django_assert_num_queries(1):
            assert load_targets(it.id for it in endpoints) == first

    def test_deleted_endpoints_have_no_target(self) -> None:
        deleted, orphaned, live = make_endpoint(), make_endpoint(), make_endpoint()
        load_targets([deleted.id, orphaned.id, live.id])
        delete_endpoint(deleted)
        delete_tenant(orphaned.tenant)
        assert set(load_targets([deleted.id, orphaned.id, live.id, new_id()])) == {live.id}

    @pytest.mark.parametrize(
        ("change", "state"), [(pause, "paused"), (lambda it: disable(it, "responded_410"), "disabled")]
    )
    def test_change_of_state_is_loaded(self, change: Any, state: str) -> None:
        endpoint = make_endpoint()
        target(endpoint)
        change(endpoint)
        assert (target(endpoint).state, target(endpoint).is_active) == (state, False)

    def test_change_by_plain_sql_is_loaded(self) -> None:
        endpoint = make_endpoint()
        target(endpoint)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE subscriptions_httpsettings SET url = 'https://example.com/new'")
        assert target(endpoint).address == "https://example.com/new"

    def test_both_secrets_sign_during_a_rotation_and_only_the_new_one_afterwards(self) -> None:
        old = new_secret()
        endpoint = make_endpoint(secret=old)
        target(endpoint)
        _, new = rotate_secret(endpoint, overlap_seconds=3600)
        both = target(endpoint)
        assert signs_with(both, old)
        assert signs_with(both, new)
        SigningSecret.objects.filter(endpoint=endpoint, expires_at__isnull=False).update(
            expires_at=timezone.now() - timedelta(seconds=1)
        )
        assert not signs_with(target(endpoint), old)
        assert signs_with(target(endpoint), new)

    def test_secret_stops_signing_at_its_expiry_without_a_change_of_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        old = new_secret()
        endpoint = make_endpoint(secret=old)
        rotate_secret(endpoint, overlap_seconds=60)
        assert signs_with(target(endpoint), old)
        later = timezone.now() + timedelta(seconds=61)
        monkeypatch.setattr(targets.timezone, "now", lambda: later)
        assert not signs_with(target(endpoint), old)

    @pytest.mark.parametrize("ciphertext", [b"", b"broken"])
    def test_undecryptable_secret_leaves_no_signer(self, ciphertext: bytes) -> None:
        endpoint = make_endpoint()
        SigningSecret.objects.filter(endpoint=endpoint).update(ciphertext=ciphertext)
        assert target(endpoint).signer is None

    def test_one_undecryptable_secret_of_two_leaves_no_signer(self) -> None:
        endpoint = make_endpoint()
        make_secret(endpoint, expires_at=timezone.now() + timedelta(hours=1))
        SigningSecret.objects.filter(endpoint=endpoint, expires_at=None).update(ciphertext=b"broken")
        assert target(endpoint).signer is None

    def test_endpoint_without_secrets_has_no_signer(self) -> None:
        endpoint = make_endpoint()
        endpoint.secrets.all().delete()
        assert target(endpoint).signer is None

    def test_forbidden_address_admits_no_connection(self, settings: Any) -> None:
        endpoint = make_endpoint(url="http://example.com/")
        assert target(endpoint).http.admits is None

    def test_public_addresses_are_admitted_and_internal_ones_are_not(self) -> None:
        admits = target(make_endpoint()).http.admits
        assert admits is not None
        assert admits("93.184.215.14")
        assert not any(admits(ip) for ip in ("127.0.0.1", "10.0.0.7", "169.254.169.254", "::1"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("queries", [1, 2, 3])
def test_secret_rotated_while_a_target_is_read_is_not_missed(queries: int) -> None:
    endpoint = make_endpoint()
    seen = count(1)
    new: list[str] = []

    def rotate() -> None:
        new.append(rotate_secret(endpoint, overlap_seconds=0)[1])
        connection.close()

    def rotate_after_some_queries(execute: Any, *query: Any) -> Any:
        result = execute(*query)
        if next(seen) == queries:
            other = threading.Thread(target=rotate)
            other.start()
            other.join()
        return result

    with connection.execute_wrapper(rotate_after_some_queries):
        target(endpoint)
    assert signs_with(target(endpoint), new[0])


@pytest.mark.django_db
def test_credentials_are_not_in_the_repr_of_a_target() -> None:
    endpoint = make_endpoint(auth={"type": "bearer", "token": "opens-it-all"}, headers={"x-key": "opens-it-all"})
    it = target(endpoint)
    assert "authorization: Bearer opens-it-all" in (it.http.headers or ())
    assert "opens-it-all" not in repr(it)
