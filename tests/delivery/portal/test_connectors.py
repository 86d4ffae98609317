"""The portal's form of a connector: settings, a body in JSONata, and the preview of both."""

from typing import Any

import pytest
from django.test import RequestFactory

from delivery.portal.rest import Portal
from subscriptions.models import Capability, Endpoint, Tenant
from tests.delivery.factories import make_event
from tests.delivery.portal.sessions import portal_client, text_of
from tests.factories import make_tenant

pytestmark = pytest.mark.django_db

PAGE = "/portal/endpoints/new/connector/discord/"
FIELDS = {"setting.url": "https://discord.com/api/webhooks/1234/abcdef", "which": "all", "key": "k"}
EXPRESSION = "{'content': type & ' <b>'}"


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def test_form_has_a_field_for_the_body(tenant: Tenant) -> None:
    page = text_of(portal_client(tenant).get(PAGE))
    assert '<textarea id="jsonata" name="jsonata"' in page
    assert '<label for="jsonata">' in page


def test_endpoint_gets_the_body_of_the_expression(tenant: Tenant) -> None:
    response = portal_client(tenant).send(PAGE, {**FIELDS, "jsonata": EXPRESSION})
    assert response.status_code == 200
    transformer = Endpoint.objects.get().subscriptions.get().transformer
    assert transformer is not None
    assert transformer["jsonata"] == EXPRESSION


@pytest.mark.parametrize("jsonata", ["", "  "])
def test_endpoint_without_an_expression_gets_the_message_of_the_connector(tenant: Tenant, jsonata: str) -> None:
    assert portal_client(tenant).send(PAGE, {**FIELDS, "jsonata": jsonata}).status_code == 200
    assert "jsonata" not in (Endpoint.objects.get().subscriptions.get().transformer or {})


@pytest.mark.parametrize(("more", "shown"), [({}, "order.paid"), ({"jsonata": EXPRESSION}, "&lt;b&gt;")])
def test_preview_shows_the_request_and_creates_nothing(tenant: Tenant, more: dict[str, Any], shown: str) -> None:
    page = text_of(portal_client(tenant).send(PAGE, {**FIELDS, **more, "preview": "1"}))
    assert "POST https://discord.com/api/webhooks/1234/abcdef" in page
    assert shown in page.partition("<pre")[2]
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize("more", [{}, {"preview": "1"}])
def test_wrong_expression_is_named_at_its_field_and_stays_there(tenant: Tenant, more: dict[str, str]) -> None:
    response = portal_client(tenant).send(PAGE, {**FIELDS, "jsonata": "{'content': ", **more})
    page = text_of(response)
    assert response.status_code == 400
    assert 'id="error-jsonata"' in page
    assert "{&#x27;content&#x27;: </textarea>" in page
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize("name", ["connector-preview", "subscription-test"])
def test_session_that_may_not_see_payloads_previews_samples_and_no_stored_event(
    tenant: Tenant, rf: RequestFactory, name: str
) -> None:
    client, event = portal_client(tenant, Capability.VIEW, Capability.MANAGE), make_event(tenant, data={"pin": "1234"})
    page = text_of(client.send(PAGE, {**FIELDS, "preview": "1"}))
    assert "order.paid" in page.partition("<pre")[2]
    portal, path = Portal(client.link, rf.get("/portal/")), ["discord"] if name == "connector-preview" else []
    settings = {"settings": {"url": FIELDS["setting.url"]}} if path else {}
    refused = portal.call("POST", name, *path, body={**settings, "event": event.public_id})
    assert (refused.status, refused.data["code"]) == (403, "insufficient_role")
    portal = Portal(portal_client(tenant).link, rf.get("/portal/"))
    assert portal.call("POST", name, *path, body={**settings, "event": event.public_id}).status == 200
