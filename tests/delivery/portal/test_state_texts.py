"""Pages say what a state means, and what to do about it."""

import pytest

from tests.delivery.factories import make_attempt, make_dead_letter, make_delivery, make_event
from tests.delivery.portal.sessions import portal_client, text_of
from tests.factories import make_endpoint, make_event_type, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant():
    return make_tenant()


@pytest.mark.parametrize(
    ("reason", "text", "may_resume"),
    [
        ("responded_410", "It responded 410 Gone", True),
        ("failing", "all attempts failed for days", True),
        ("operator", "only the provider can enable it again", False),
    ],
)
def test_disabled_endpoint_says_why_and_offers_what_works(tenant, reason, text, may_resume):
    note = "Call us." if reason == "operator" else ""
    endpoint = make_endpoint(tenant, state="disabled", disabled_reason=reason, disabled_note=note)
    page = text_of(portal_client(tenant).get(f"/portal/endpoints/{endpoint.public_id}/"))
    assert text in page
    assert ("Note of the provider: Call us." in page) == bool(note)
    assert (f"/portal/endpoints/{endpoint.public_id}/resume/" in page) == may_resume


@pytest.mark.parametrize(
    ("state", "endpoint_state", "text"),
    [
        ("pending", "active", "It waits for its next attempt."),
        ("pending", "paused", "The endpoint is not active"),
        ("cancelled", "active", "It was cancelled before it was delivered"),
        ("superseded", "active", "A newer message with the same key"),
    ],
)
def test_delivery_says_what_its_state_means(tenant, state, endpoint_state, text):
    delivery = make_delivery(make_event(tenant), make_endpoint(tenant, state=endpoint_state), state=state)
    page = text_of(portal_client(tenant).get(f"/portal/deliveries/{delivery.public_id}/"))
    assert text in page
    assert ("Next attempt (UTC)" in page) == (state == "pending" and endpoint_state == "active")


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (308, "Redirects are not followed"),
        (403, "check that it verifies with the current secret"),
        (404, "check the URL"),
        (422, "could not read the request"),
        (502, "see its log"),
    ],
)
def test_failed_attempt_says_what_to_do_about_the_status(tenant, status, hint):
    delivery = make_delivery(make_event(tenant), make_endpoint(tenant))
    attempt = make_attempt(delivery, status=status)
    make_dead_letter(delivery)
    client = portal_client(tenant)
    path = f"/portal/deliveries/{delivery.public_id}/"
    page = text_of(client.get(path))
    assert "Resend it once the endpoint works." in page
    assert hint in page
    assert hint in text_of(client.get(f"{path}attempts/{attempt.public_id}/"))


def test_session_without_payloads_does_not_say_that_a_response_was_empty(tenant):
    delivery = make_delivery(make_event(tenant), make_endpoint(tenant))
    attempt = make_attempt(delivery, response=b"secret of the response")
    path = f"/portal/deliveries/{delivery.public_id}/attempts/{attempt.public_id}/"
    page = text_of(portal_client(tenant, "view").get(path))
    assert "secret of the response" not in page
    assert "This session does not show payloads." in page
    assert "No body." not in page


def test_empty_list_of_messages_tells_filters_from_nothing_yet(tenant):
    client = portal_client(tenant)
    assert "Clear the filters" not in text_of(client.get("/portal/messages/"))
    filtered = text_of(client.get("/portal/messages/", {"state": "dead"}))
    assert "No message matches the filters." in filtered
    assert "Clear the filters" in filtered


def test_refused_key_keeps_what_was_chosen(tenant):
    page = text_of(portal_client(tenant).send("/portal/keys/", {"name": "CI", "days": "30", "key": "k"}))
    assert 'id="error-scopes"' in page
    assert 'value="read" checked' not in page
    assert '<option value="30" selected' in page
    assert 'value="CI"' in page


def test_code_in_the_description_of_an_event_type_is_shown_as_code(tenant):
    make_event_type(tenant, name="order.paid", description="Sent once `total` is <paid>.")
    assert "Sent once <code>total</code> is &lt;paid&gt;." in text_of(portal_client(tenant).get("/portal/catalogue/"))


def test_page_that_is_not_found_has_a_way_back(tenant):
    response = portal_client(tenant).get("/portal/endpoints/ep_nothing/")
    assert response.status_code == 404
    assert 'class="button" href="/portal/"' in text_of(response)
