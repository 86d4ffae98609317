"""Endpoints: created, changed and deleted with what belongs to them."""

import pytest

from subscriptions.endpoints import endpoints, signing_secrets, state
from subscriptions.errors import AlreadyExists, Invalid, StateConflict
from subscriptions.models import Endpoint
from tests.factories import URL, make_endpoint, make_subscription, make_tenant
from webhooks.kit.encryption import decrypt
from webhooks.wire.signing.keys import new_secret

pytestmark = pytest.mark.django_db

Reason = Endpoint.DisabledReason


def test_create_endpoint_stores_a_new_secret_encrypted():
    endpoint, text = endpoints.create_endpoint(make_tenant(), url=URL)
    assert text.startswith("whsec_")
    assert decrypt(endpoint.secrets.get().ciphertext) == text
    assert text.encode() not in bytes(endpoint.secrets.get().ciphertext)


def test_create_endpoint_uses_the_given_secret():
    own = new_secret()
    endpoint, text = endpoints.create_endpoint(make_tenant(), url=URL, secret=own)
    assert text == own
    assert decrypt(endpoint.secrets.get().ciphertext) == own


@pytest.mark.parametrize(
    "secret", ["", "secret", "whsec_", "whsec_AAAA", "whsec_!!!!", "whpk_" + "A" * 44, "whsec_" + "A" * 1000]
)
def test_create_endpoint_with_an_unsafe_secret_is_rejected(secret):
    with pytest.raises(Invalid) as error:
        endpoints.create_endpoint(make_tenant(), url=URL, secret=secret)
    assert error.value.field == "secret"
    assert not Endpoint.objects.exists()


def test_uid_is_unique_among_the_endpoints_of_a_tenant():
    tenant = make_tenant()
    endpoints.create_endpoint(tenant, url=URL, uid="main")
    endpoints.create_endpoint(make_tenant(), url=URL, uid="main")
    with pytest.raises(AlreadyExists) as error:
        endpoints.create_endpoint(tenant, url=URL, uid="main")
    assert error.value.field == "uid"


def test_uid_of_a_deleted_endpoint_can_be_used_again():
    tenant = make_tenant()
    endpoint, _ = endpoints.create_endpoint(tenant, url=URL, uid="main")
    endpoints.delete_endpoint(endpoint)
    endpoints.create_endpoint(tenant, url=URL, uid="main")


def test_delete_endpoint_keeps_the_row_and_deletes_secrets_and_subscriptions():
    endpoint = make_subscription().endpoint
    endpoints.delete_endpoint(endpoint)
    endpoint.refresh_from_db()
    first = endpoint.deleted_at
    assert first is not None
    assert not endpoint.secrets.exists()
    assert not endpoint.subscriptions.exists()
    endpoints.delete_endpoint(endpoint)
    endpoint.refresh_from_db()
    assert endpoint.deleted_at == first


def test_change_endpoint_writes_only_the_given_fields():
    endpoint = make_endpoint()
    Endpoint.objects.filter(pk=endpoint.pk).update(description="by another writer")
    changed = endpoints.change_endpoint(endpoint, {"timeout_ms": 5000})
    assert (changed.timeout_ms, changed.description) == (5000, "by another writer")


def test_change_of_a_deleted_endpoint_raises():
    endpoint = make_endpoint()
    endpoints.delete_endpoint(endpoint)
    with pytest.raises(Endpoint.DoesNotExist):
        endpoints.change_endpoint(endpoint, {"timeout_ms": 5000})
    with pytest.raises(Endpoint.DoesNotExist):
        signing_secrets.rotate_secret(endpoint)
    with pytest.raises(Endpoint.DoesNotExist):
        state.pause(endpoint)


def test_rejected_state_rolls_back_the_fields_of_the_same_change():
    endpoint = make_endpoint(state="disabled", disabled_reason=Reason.RESPONDED_410)
    with pytest.raises(StateConflict):
        endpoints.change_endpoint(endpoint, {"description": "new", "state": "paused"})
    endpoint.refresh_from_db()
    assert endpoint.description == ""


@pytest.mark.django_db(transaction=True)
def test_version_rises_with_every_change_of_how_deliveries_are_sent():
    endpoint = make_endpoint()

    def version():
        return Endpoint.objects.values_list("version", flat=True).get(pk=endpoint.pk)

    for change in (state.pause, state.resume, signing_secrets.rotate_secret, endpoints.delete_endpoint):
        before = version()
        change(endpoint)
        assert version() > before
