"""The states of all endpoints of a tenant."""

import pytest

from subscriptions.endpoints import states_of_tenant as states
from subscriptions.models import Endpoint, Tenant
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    """Return a tenant with an endpoint in each state, and a foreign active one beside it."""
    tenant = make_tenant()
    make_endpoint(tenant, uid="active")
    make_endpoint(tenant, uid="paused", state="paused")
    make_endpoint(tenant, uid="failed", state="disabled", disabled_reason="failing")
    make_endpoint(tenant, uid="locked", state="disabled", disabled_reason="operator", disabled_note="Abuse")
    make_endpoint(uid="foreign")
    return tenant


def found() -> dict[str | None, str]:
    return dict(Endpoint.objects.values_list("uid", "state"))


def test_pausing_all_pauses_the_active_ones(tenant: Tenant) -> None:
    assert states.pause_all(tenant) == 1
    assert found() == {"active": "paused", "paused": "paused", "failed": "disabled", "locked": "disabled"} | {
        "foreign": "active"
    }
    assert states.pause_all(tenant) == 0


def test_resuming_all_resumes_the_paused_ones(tenant: Tenant) -> None:
    assert states.resume_all(tenant) == 1
    assert (found()["paused"], found()["failed"]) == ("active", "disabled")


def test_disabling_all_locks_those_that_are_not_disabled_and_keeps_the_first_reason(tenant: Tenant) -> None:
    assert states.disable_all(tenant, "Not paid") == 2
    rows = Endpoint.objects.filter(tenant=tenant).values_list("uid", "disabled_reason", "disabled_note")
    assert set(rows) == {
        ("active", "operator", "Not paid"),
        ("paused", "operator", "Not paid"),
        ("failed", "failing", ""),
        ("locked", "operator", "Abuse"),
    }
    assert found()["foreign"] == "active"


def test_enabling_all_enables_what_an_operator_has_disabled(tenant: Tenant) -> None:
    assert states.enable_all(tenant) == 1
    row = Endpoint.objects.get(uid="locked")
    assert (row.state, row.disabled_reason, row.disabled_note) == ("active", "", "")
    assert found()["failed"] == "disabled"
