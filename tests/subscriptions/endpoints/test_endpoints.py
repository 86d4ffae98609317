from datetime import timedelta

import pytest
from django.utils import timezone

from subscriptions.endpoints import endpoints
from subscriptions.errors import AlreadyExists, Invalid, StateConflict
from subscriptions.models import Endpoint
from tests.factories import URL, make_endpoint, make_secret, make_subscription, make_tenant
from webhooks.kit.encryption import decrypt
from webhooks.wire.signing.standard_webhooks import new_secret

pytestmark = pytest.mark.django_db

Reason = Endpoint.DisabledReason


def signing(endpoint):
    """The secrets that sign now, newest first."""
    rows = endpoint.secrets.exclude(expires_at__lte=timezone.now()).order_by("-id")
    return [decrypt(row.ciphertext) for row in rows]


def test_a_new_endpoint_has_a_secret_that_is_not_readable_in_the_table():
    endpoint, text = endpoints.create_endpoint(make_tenant(), url=URL)
    assert text.startswith("whsec_")
    assert signing(endpoint) == [text]
    assert text.encode() not in bytes(endpoint.secrets.get().ciphertext)


def test_a_secret_of_the_callers_own_is_taken():
    own = new_secret()
    endpoint, text = endpoints.create_endpoint(make_tenant(), url=URL, secret=own)
    assert text == own
    assert signing(endpoint) == [own]


@pytest.mark.parametrize(
    "secret", ["", "secret", "whsec_", "whsec_AAAA", "whsec_!!!!", "whpk_" + "A" * 44, "whsec_" + "A" * 1000]
)
def test_a_secret_that_cannot_sign_safely_is_refused(secret):
    with pytest.raises(Invalid) as refusal:
        endpoints.create_endpoint(make_tenant(), url=URL, secret=secret)
    assert refusal.value.field == "secret"
    assert not Endpoint.objects.exists()


def test_a_uid_is_one_endpoint_of_a_tenant():
    tenant = make_tenant()
    endpoints.create_endpoint(tenant, url=URL, uid="main")
    endpoints.create_endpoint(make_tenant(), url=URL, uid="main")
    with pytest.raises(AlreadyExists) as refusal:
        endpoints.create_endpoint(tenant, url=URL, uid="main")
    assert refusal.value.field == "uid"


def test_the_uid_of_a_deleted_endpoint_is_free_again():
    tenant = make_tenant()
    endpoint, _ = endpoints.create_endpoint(tenant, url=URL, uid="main")
    endpoints.delete_endpoint(endpoint)
    endpoints.create_endpoint(tenant, url=URL, uid="main")


def test_deleting_keeps_the_row_and_drops_secrets_and_subscriptions():
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


def test_a_change_writes_only_its_own_fields():
    endpoint = make_endpoint()
    Endpoint.objects.filter(pk=endpoint.pk).update(description="by somebody else")
    changed = endpoints.change_endpoint(endpoint, {"timeout_ms": 5000})
    assert (changed.timeout_ms, changed.description) == (5000, "by somebody else")


def test_a_deleted_endpoint_is_not_changed():
    endpoint = make_endpoint()
    endpoints.delete_endpoint(endpoint)
    with pytest.raises(Endpoint.DoesNotExist):
        endpoints.change_endpoint(endpoint, {"timeout_ms": 5000})
    with pytest.raises(Endpoint.DoesNotExist):
        endpoints.rotate_secret(endpoint)
    with pytest.raises(Endpoint.DoesNotExist):
        endpoints.pause(endpoint)


@pytest.mark.parametrize(
    ("state", "reason", "verb", "result"),
    [
        ("active", "", endpoints.pause, "paused"),
        ("active", "", endpoints.resume, "active"),
        ("active", "", endpoints.enable, "active"),
        ("paused", "", endpoints.pause, "paused"),
        ("paused", "", endpoints.resume, "active"),
        ("paused", "", endpoints.enable, "active"),
        ("disabled", Reason.RESPONDED_410, endpoints.pause, StateConflict),
        ("disabled", Reason.RESPONDED_410, endpoints.resume, StateConflict),
        ("disabled", Reason.RESPONDED_410, endpoints.enable, "active"),
        ("disabled", Reason.FAILING, endpoints.enable, "active"),
        ("disabled", Reason.OPERATOR, endpoints.enable, StateConflict),
        ("disabled", Reason.OPERATOR, lambda row: endpoints.enable(row, by_operator=True), "active"),
    ],
)
def test_the_ways_between_states(state, reason, verb, result):
    endpoint = make_endpoint(state=state, disabled_reason=reason)
    if result is StateConflict:
        with pytest.raises(StateConflict) as refusal:
            verb(endpoint)
        assert refusal.value.field == "state"
        result = state
    else:
        verb(endpoint)
        reason = ""
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.disabled_reason) == (result, reason)


def test_the_first_reason_for_disabling_stays():
    endpoint = make_endpoint()
    assert endpoints.disable(endpoint, Reason.RESPONDED_410) is True
    assert endpoints.disable(endpoint, Reason.OPERATOR) is False
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.disabled_reason) == ("disabled", "responded_410")


def test_a_tenant_does_not_disable():
    with pytest.raises(Invalid):
        endpoints.set_state(make_endpoint(), "disabled")


def test_a_refused_state_undoes_the_fields_of_the_same_change():
    endpoint = make_endpoint(state="disabled", disabled_reason=Reason.RESPONDED_410)
    with pytest.raises(StateConflict):
        endpoints.change_endpoint(endpoint, {"description": "new", "state": "paused"})
    endpoint.refresh_from_db()
    assert endpoint.description == ""


def test_while_a_rotation_overlaps_both_secrets_sign_and_the_new_one_is_first():
    endpoint = make_endpoint(secret=(old := new_secret()))
    new = endpoints.rotate_secret(endpoint, 3600)
    assert signing(endpoint) == [new, old]


def test_a_rotation_without_overlap_ends_every_older_secret():
    endpoint = make_endpoint()
    endpoints.rotate_secret(endpoint, 3600)
    new = endpoints.rotate_secret(endpoint, 0)
    assert signing(endpoint) == [new]


def test_a_rotation_never_lengthens_an_overlap():
    endpoint = make_endpoint()
    ends_at = timezone.now() + timedelta(minutes=1)
    make_secret(endpoint, expires_at=ends_at)
    endpoints.rotate_secret(endpoint, 3600)
    assert endpoint.secrets.filter(expires_at=ends_at).exists()


def test_a_rotation_sweeps_what_has_ended():
    endpoint = make_endpoint()
    make_secret(endpoint, expires_at=timezone.now() - timedelta(seconds=1))
    endpoints.rotate_secret(endpoint, 3600)
    assert endpoint.secrets.count() == 2


def test_only_so_many_secrets_sign_at_once_and_cutting_the_overlap_helps():
    endpoint = make_endpoint()
    for _ in range(endpoints.MAX_SECRETS - 1):
        endpoints.rotate_secret(endpoint)
    assert len(signing(endpoint)) == endpoints.MAX_SECRETS
    with pytest.raises(StateConflict):
        endpoints.rotate_secret(endpoint)
    assert len(signing(endpoint)) == endpoints.MAX_SECRETS
    new = endpoints.rotate_secret(endpoint, 0)
    assert signing(endpoint) == [new]


def test_a_secret_in_use_is_not_rotated_in_again():
    endpoint = make_endpoint(secret=(old := new_secret()))
    with pytest.raises(Invalid) as refusal:
        endpoints.rotate_secret(endpoint, 3600, old)
    assert refusal.value.field == "secret"


@pytest.mark.parametrize("overlap", [-1, endpoints.MAX_OVERLAP + 1])
def test_an_overlap_has_bounds(overlap):
    with pytest.raises(Invalid) as refusal:
        endpoints.rotate_secret(make_endpoint(), overlap)
    assert refusal.value.field == "overlap_seconds"


@pytest.mark.django_db(transaction=True)
def test_whatever_changes_how_it_is_sent_moves_its_version():
    endpoint = make_endpoint()

    def version():
        return Endpoint.objects.values_list("version", flat=True).get(pk=endpoint.pk)

    for change in (endpoints.pause, endpoints.resume, endpoints.rotate_secret, endpoints.delete_endpoint):
        before = version()
        change(endpoint)
        assert version() > before
