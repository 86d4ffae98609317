"""Capabilities of a session: the table of operations, and what responses hide."""

import pytest

from delivery.portal.operations import OPERATIONS
from delivery.portal.rest import Forbidden, Portal
from delivery.templatetags.delivery_portal import ACTIVITIES
from subscriptions.models import Capability, Scope
from tests.delivery.factories import make_attempt, make_delivery, make_event
from tests.delivery.portal.sessions import portal_client
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant():
    return make_tenant()


def portal_of(rf, tenant, *capabilities, **fields) -> Portal:
    return Portal(portal_client(tenant, *capabilities, **fields).link, rf.get("/portal/"))


@pytest.mark.parametrize(("method", "name"), OPERATIONS, ids=" ".join)
def test_operation_of_the_table_needs_all_its_capabilities(rf, method, name):
    needs = OPERATIONS[method, name].needs
    tenant = make_tenant()
    for missing in needs:
        portal = portal_of(rf, tenant, *(set(Capability.values) - {missing}))
        assert not portal.may(method, name)
        with pytest.raises(Forbidden) as raised:
            portal.call(method, name, *["x"] * 2)
        assert raised.value.missing == {missing}


def test_every_change_needs_more_than_to_view():
    changes = [it for it in OPERATIONS.values() if it.is_change]
    assert changes
    assert all(it.needs > {Capability.VIEW} for it in changes)
    methods = {method for (method, _), it in OPERATIONS.items() if not it.is_change}
    assert methods == {"GET", "POST"}


def test_every_change_has_a_name_on_the_page_of_activities():
    changes = {f"{method} {name}" for (method, name), it in OPERATIONS.items() if it.is_change}
    assert changes - ACTIVITIES.keys() == set()


def test_operation_that_is_not_listed_cannot_be_called(rf, tenant):
    with pytest.raises(KeyError):
        portal_of(rf, tenant).call("POST", "portal-link-list", body={})
    with pytest.raises(KeyError):
        portal_of(rf, tenant).call("POST", "event-list", body={"type": "a"})


def test_payloads_are_hidden_without_the_capability(rf, tenant):
    event = make_event(tenant)
    attempt = make_attempt(
        make_delivery(event, make_endpoint(tenant), state="delivered"), response=b"kept", response_headers=b"x-kept: 1"
    )
    calls = [
        ("event-detail", event.public_id),
        ("delivery-detail", attempt.delivery.public_id),
        ("delivery-attempt", attempt.delivery.public_id, attempt.public_id),
        ("delivery-request", attempt.delivery.public_id),
    ]
    hidden = portal_of(rf, tenant, "view")
    shown = portal_of(rf, tenant, "view", "payloads")
    for call in calls:
        assert texts_in(shown.read(*call)) - texts_in(hidden.read(*call)), call
    assert hidden.read("event-detail", event.public_id)["event"] is None
    found = hidden.read("delivery-attempt", attempt.delivery.public_id, attempt.public_id)
    assert (found["request"], found["response"], found["curl"]) == (None, None, None)


def texts_in(value) -> set[str]:
    if isinstance(value, dict):
        return {text for inner in value.values() for text in texts_in(inner)}
    if isinstance(value, list):
        return {text for inner in value for text in texts_in(inner)}
    return {str(value)} - {"None"}


def test_secret_of_a_new_endpoint_is_hidden_without_the_capability(rf, tenant):
    body = {"url": "https://hooks.example.com/"}
    assert "secret" not in portal_of(rf, tenant, "view", "manage").call("POST", "endpoint-list", body=body).data
    assert "secret" in portal_of(rf, tenant, "view", "manage", "secrets").call("POST", "endpoint-list", body=body).data


def test_key_that_a_session_creates_cannot_publish(rf, tenant):
    portal = portal_of(rf, tenant)
    made = portal.call("POST", "key-list", body={"name": "CI", "scopes": ["read", "manage"]})
    assert made.data["key"].startswith("wp_")
    assert portal.call("POST", "key-list", body={"scopes": [Scope.PUBLISH]}).status == 403


def test_idempotency_key_runs_a_change_once(rf, tenant):
    portal = portal_of(rf, tenant)
    made = [
        portal.call("POST", "endpoint-list", body={"url": "https://hooks.example.com/"}, idempotency_key="one")
        for _ in range(2)
    ]
    assert made[0].data["id"] == made[1].data["id"]
    assert tenant.endpoints.count() == 1


def test_error_names_the_fields(rf, tenant):
    refused = portal_of(rf, tenant).call("POST", "endpoint-list", body={"url": "nonsense"})
    assert refused.status == 400
    assert refused.errors.keys() == {"url"}
    assert not refused.ok
