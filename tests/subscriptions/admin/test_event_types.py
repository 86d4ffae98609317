"""Check the admin's pages of event types."""

import pytest
from django.test import Client
from django.urls import reverse

from subscriptions.event_types import registry
from subscriptions.event_types.models import EventType
from tests.factories import make_event_type, make_tenant
from tests.staff import staff

pytestmark = pytest.mark.django_db

LIST = reverse("admin:subscriptions_eventtype_changelist")
NUMBER, TEXT = {"type": "number", "title": "<script>"}, {"type": "string", "title": "Ägypten"}


@pytest.fixture
def client() -> Client:
    return staff(superuser=True)


def page(row: EventType) -> str:
    return reverse("admin:subscriptions_eventtype_change", args=[row.pk])


def listed(client: Client, **query: str) -> set[str]:
    response = client.get(LIST, query)
    assert response.status_code == 200
    return {row.name for row in response.context["cl"].result_list}


def test_search_finds_types_by_part_of_name_group_or_description_and_by_id(client: Client) -> None:
    paid = make_event_type(name="order.paid", group="Orders", description="An order was paid in full.")
    make_event_type(make_tenant(), name="user.left", group="People")
    for term in ("PAID", "order", "Orders", "in full", paid.public_id, str(paid.pk)):
        assert listed(client, q=term) == {"order.paid"}
    assert listed(client) == {"order.paid", "user.left"}
    for term in ("nothing", "\\", "ety_00000000000000000000000000", "tnt_01m83t2ghzevcannga6my0tf3k"):
        assert listed(client, q=term) == set()


def test_list_is_filtered_by_owner_and_state(client: Client) -> None:
    tenant = make_tenant(name="Acme")
    make_event_type(name="ours", schema_check="enforce")
    make_event_type(tenant, name="theirs", deprecated=True)
    make_event_type(make_tenant(), name="others", archived=True)
    assert listed(client, owner="deployment") == {"ours"}
    assert listed(client, owner="tenants") == {"theirs", "others"}
    assert listed(client, tenant__id__exact=str(tenant.pk)) == {"theirs"}
    assert listed(client, deprecated__exact="1") == {"theirs"}
    assert listed(client, archived__exact="1") == {"others"}
    assert listed(client, schema_check__exact="enforce") == {"ours"}
    shown = client.get(LIST).text
    for word in ("Acme", "deprecated", "archived", "current"):
        assert word in shown
    assert reverse("admin:subscriptions_tenant_change", args=[tenant.pk]) in shown


def test_page_shows_every_schema_indented_and_escaped(client: Client) -> None:
    row = make_event_type(name="order.paid", schema=NUMBER, examples=[5])
    row = registry.change(row, {"schema": TEXT, "examples": ["Ägypten"]})
    shown = client.get(page(row)).text
    assert "Version 2 (current)" in shown
    assert "Version 1" in shown
    assert "{\n  &quot;type&quot;: &quot;string&quot;,\n  &quot;title&quot;: &quot;Ägypten&quot;\n}" in shown
    assert "<script>&quot;" not in shown
    assert "&lt;script&gt;" in shown
    assert reverse("catalogue-type", args=["order.paid"]) in shown


def test_type_of_a_tenant_without_schema_says_so_and_has_no_catalogue_link(client: Client) -> None:
    shown = client.get(page(make_event_type(make_tenant(), name="order.paid"))).text
    assert "event data is not checked" in shown
    assert "Open in the catalogue" not in shown


def test_type_cannot_be_added_changed_or_deleted(client: Client) -> None:
    row = make_event_type(name="order.paid")
    assert client.post(page(row), {"name": "other"}).status_code == 403
    assert client.get(reverse("admin:subscriptions_eventtype_add")).status_code == 403
    assert client.post(reverse("admin:subscriptions_eventtype_delete", args=[row.pk])).status_code == 403
    assert EventType.objects.get().name == "order.paid"


def test_list_without_permission_is_forbidden() -> None:
    assert staff("view_endpoint").get(LIST).status_code == 403


def test_heading_keeps_the_case_of_the_name(client: Client) -> None:
    shown = client.get(page(make_event_type(name="order.paid"))).text
    assert "Event type order.paid" in shown
    assert "Order.paid" not in shown
