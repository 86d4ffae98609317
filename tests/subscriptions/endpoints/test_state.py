"""Changes of state: which are made, which are rejected, and by whom."""

import pytest

from subscriptions.endpoints import state
from subscriptions.errors import Invalid, StateConflict
from subscriptions.models import Endpoint
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db

Reason = Endpoint.DisabledReason


@pytest.mark.parametrize(
    ("before", "reason", "change", "result"),
    [
        ("active", "", state.pause, "paused"),
        ("active", "", state.resume, "active"),
        ("active", "", state.enable, "active"),
        ("paused", "", state.pause, "paused"),
        ("paused", "", state.resume, "active"),
        ("paused", "", state.enable, "active"),
        ("disabled", Reason.RESPONDED_410, state.pause, StateConflict),
        ("disabled", Reason.RESPONDED_410, state.resume, StateConflict),
        ("disabled", Reason.RESPONDED_410, state.enable, "active"),
        ("disabled", Reason.FAILING, state.enable, "active"),
        ("disabled", Reason.OPERATOR, state.enable, StateConflict),
        ("disabled", Reason.OPERATOR, lambda row: state.enable(row, by_operator=True), "active"),
    ],
)
def test_state_change_is_made_or_rejected(before, reason, change, result):
    endpoint = make_endpoint(state=before, disabled_reason=reason)
    if result is StateConflict:
        with pytest.raises(StateConflict) as error:
            change(endpoint)
        assert error.value.field == "state"
        result = before
    else:
        change(endpoint)
        reason = ""
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.disabled_reason) == (result, reason)


def test_disable_again_keeps_the_first_reason():
    endpoint = make_endpoint()
    assert state.disable(endpoint, Reason.RESPONDED_410) is True
    assert state.disable(endpoint, Reason.OPERATOR) is False
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.disabled_reason) == ("disabled", "responded_410")


def test_set_state_disabled_by_a_tenant_is_rejected():
    with pytest.raises(Invalid):
        state.set_state(make_endpoint(), "disabled")
