"""Search in the messages: by id, type, time, state, status, and a value of the payload at an indexed path."""

import re

import pytest
from django.utils import timezone

from delivery.models import Event
from delivery.portal.rest import Forbidden, Portal
from delivery.publishing import publish
from tests.delivery.factories import make_attempt, make_delivery, make_event
from tests.delivery.portal.sessions import portal_client, text_of
from tests.factories import make_endpoint, make_event_type, make_subscription, make_tenant

pytestmark = pytest.mark.django_db
PATHS = ["data.order.id", "data.customer"]


@pytest.fixture
def tenant():
    tenant = make_tenant()
    make_event_type(tenant, name="order.paid", indexed_paths=PATHS)
    return tenant


def publish_order(tenant, order: str, customer: str) -> Event:
    (made,) = publish(tenant, [{"type": "order.paid", "data": {"order": {"id": order}, "customer": customer}}])
    return Event.objects.get(pk=made.key)


def found(client, page: str, /, **query: str) -> str:
    response = client.get(page, query)
    assert response.status_code == 200
    return text_of(response)


def test_messages_are_found_by_a_value_of_their_payload(tenant):
    subscription = make_subscription(make_endpoint(tenant))
    wanted, other = publish_order(tenant, "A-1", "ada"), publish_order(tenant, "A-2", "A-1")
    deliveries = {it.event_id: it.public_id for it in subscription.endpoint.deliveries.all()}
    client = portal_client(tenant)
    text = found(client, "/portal/messages/")
    for path in PATHS:
        assert f'<option value="{path}">' in text
    for show, ids in (("events", {it.pk: it.public_id for it in (wanted, other)}), ("", deliveries)):
        by_path = found(client, "/portal/messages/", show=show, path="data.order.id", value="A-1")
        assert ids[wanted.pk] in by_path
        assert ids[other.pk] not in by_path
        anywhere = found(client, "/portal/messages/", show=show, value="A-1")
        assert ids[wanted.pk] in anywhere
        assert ids[other.pk] in anywhere
        assert "No messages" in found(client, "/portal/messages/", show=show, value="A-3")


def test_value_narrows_with_the_other_filters(tenant):
    event = publish_order(tenant, "A-1", "ada")
    client = portal_client(tenant)
    query = {"show": "events", "value": "A-1"}
    assert event.public_id in found(client, "/portal/messages/", **query, type="order.*", since="2020-01-01T00:00")
    assert event.public_id not in found(client, "/portal/messages/", **query, until="2020-01-01T00:00")


def test_values_are_searched_in_payloads_only_by_who_may_see_them(rf, tenant):
    event = publish_order(tenant, "A-1", "ada")
    client = portal_client(tenant, "view")
    text = found(client, "/portal/messages/", show="events")
    assert 'name="value"' not in text
    assert event.public_id in text
    refused = client.get("/portal/messages/", {"show": "events", "value": "A-1"})
    assert refused.status_code == 403
    with pytest.raises(Forbidden):
        Portal(client.link, rf.get("/portal/")).read("delivery-list", value="A-1")


def test_value_of_another_tenant_is_not_found(tenant):
    publish_order(tenant, "A-1", "ada")
    other = make_tenant()
    make_event_type(other, name="order.paid", indexed_paths=PATHS)
    assert "<table" not in found(portal_client(other), "/portal/messages/", show="events", value="A-1")


def test_fields_are_left_out_where_no_type_has_indexed_paths():
    assert 'name="value"' not in found(portal_client(make_tenant()), "/portal/messages/")


def test_session_of_an_endpoint_finds_its_own(tenant):
    endpoint, other = make_endpoint(tenant), make_endpoint(tenant)
    for it in (endpoint, other):
        make_subscription(it)
    publish_order(tenant, "A-1", "ada")
    text = found(portal_client(tenant, endpoint=endpoint), "/portal/messages/", value="A-1")
    assert endpoint.deliveries.get().public_id in text
    assert other.deliveries.get().public_id not in text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 2),
        ({"q": "invoice"}, 1),
        ({"type": "order.*"}, 1),
        ({"state": "dead"}, 1),
        ({"status": "5xx"}, 1),
        ({"since": "2020-01-01T00:00"}, 2),
        ({"until": "2020-01-01T00:00"}, 0),
    ],
    ids=lambda it: str(it) if isinstance(it, dict) else "",
)
def test_deliveries_are_filtered(query, count):
    tenant = make_tenant()
    endpoint = make_endpoint(tenant)
    make_delivery(make_event(tenant, type="order.paid"), endpoint, state="delivered", last_status=204)
    make_delivery(make_event(tenant, type="invoice.sent"), endpoint, state="dead", last_status=503)
    assert found(portal_client(tenant), "/portal/messages/", **query).count('href="/portal/deliveries/') == count


def test_each_delivery_in_the_list_names_its_endpoint(tenant):
    named, unnamed = make_endpoint(tenant, description="Warehouse"), make_endpoint(tenant, url="https://b.example/in")
    gone = make_endpoint(tenant, deleted_at=timezone.now())
    for endpoint in (named, unnamed, gone):
        make_delivery(make_event(tenant), endpoint, state="delivered", last_status=503, last_error="status")
    text = found(portal_client(tenant), "/portal/messages/")
    cells = [re.sub("<.*?>", "", it) for it in re.findall(r"<td.*?>(.*?)</td>", text)]
    assert {"Warehouse", "https://b.example/in", gone.public_id, "503"} <= set(cells)


@pytest.mark.parametrize(("language", "words"), [("en", "connection refused"), ("de", "Verbindung abgelehnt")])
def test_latest_failure_is_in_words_of_the_language(tenant, language, words):
    endpoint = make_endpoint(tenant)
    delivery = make_delivery(make_event(tenant), endpoint, state="dead", last_error="connect", last_status=None)
    make_attempt(delivery, status=None, error="connect")
    client = portal_client(tenant, language=language)
    pages = ("messages/", f"endpoints/{endpoint.public_id}/", f"deliveries/{delivery.public_id}/")
    for page in pages:
        assert words in found(client, f"/portal/{page}"), page
        assert ">connect<" not in found(client, f"/portal/{page}"), page
