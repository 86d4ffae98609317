"""After a form the next page says what was done."""

import pytest

from delivery.models import Delivery
from delivery.portal.notices import NOTICES
from tests.delivery.factories import make_delivery, make_event
from tests.delivery.portal.sessions import portal_client, text_of
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("action", "notice"), [("pause", "paused"), ("resume", "resumed"), ("retry", "retried")])
def test_page_after_a_button_of_an_endpoint_says_what_was_done(action, notice):
    endpoint = make_endpoint()
    client = portal_client(endpoint.tenant)
    path = f"/portal/endpoints/{endpoint.public_id}/"
    response = client.send(f"{path}{action}/")
    assert (response.status_code, response["Location"]) == (303, f"{path}?done={notice}")
    assert f'role="status">✓ {NOTICES[notice]}' in text_of(client.get(response["Location"]))
    assert 'role="status"' not in text_of(client.get(path))


@pytest.mark.parametrize(
    ("state", "action", "notice"),
    [("delivered", "resend", "resent"), ("pending", "retry", "retried"), ("pending", "cancel", "cancelled")],
)
def test_page_after_a_button_of_a_delivery_says_what_was_done(state, action, notice):
    tenant = make_tenant()
    delivery = make_delivery(make_event(tenant), make_endpoint(tenant), state=state)
    client = portal_client(tenant)
    response = client.send(f"/portal/deliveries/{delivery.public_id}/{action}/")
    assert f"✓ {NOTICES[notice]}" in text_of(client.get(response["Location"]))
    assert Delivery.objects.filter(tenant_id=tenant.pk).exists()


def test_deleted_endpoint_is_confirmed_on_the_list():
    endpoint = make_endpoint()
    client = portal_client(endpoint.tenant)
    response = client.send(f"/portal/endpoints/{endpoint.public_id}/delete/")
    assert f"✓ {NOTICES['deleted']}" in text_of(client.get(response["Location"]))


def test_unknown_notice_shows_nothing():
    text = text_of(portal_client(make_tenant()).get("/portal/", {"done": "<b>you won</b>"}))
    assert 'role="status"' not in text
    assert "you won" not in text


def test_form_that_is_refused_after_a_notice_does_not_repeat_it():
    endpoint = make_endpoint()
    path = f"/portal/endpoints/{endpoint.public_id}/settings/?done=saved"
    fields = {"url": "no URL", "timeout_ms": "5000", "max_in_flight": "1"}
    text = text_of(portal_client(endpoint.tenant).send(path, fields))
    assert 'role="status"' not in text
    assert "Nothing was saved." in text
    assert 'id="error-url"' in text
    assert 'value="no URL"' in text
