"""Send events by each connector to a server that accepts only what the vendor documents."""

from collections.abc import Iterator
from typing import Any

import pytest

from delivery.models import Attempt, Delivery
from delivery.publishing.publisher import publish
from delivery.transports.outcome import Failure
from subscriptions.connectors.catalogue import list_connectors
from subscriptions.connectors.connector import Connector
from subscriptions.connectors.endpoints import create_from_connector
from subscriptions.models import Endpoint, Tenant
from tests.delivery.connectors.shapes import SHAPES
from tests.delivery.connectors.vendors import Vendors
from tests.delivery.destinations.battery import loopback as loopback
from tests.delivery.destinations.battery import make_due, run_drain
from tests.factories import make_tenant

LONG = 'é<b>&"\\\n😀 ' * 2_000
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def vendors() -> Iterator[Vendors]:
    with Vendors() as it:
        yield it


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def endpoint_of(vendors: Vendors, tenant: Tenant, connector: Connector, **changes: Any) -> Endpoint:
    """Create an endpoint of the connector at this server, with one subscription for each message, by event type."""
    names = {it.name for it in connector.fields}
    place = {"base_url": vendors.url(f"/{connector.name}")} if "base_url" in names else {}
    place |= {"url": vendors.url(f"/{connector.name}/hook")} if "url" in names else {}
    return create_from_connector(
        tenant,
        connector,
        settings={**connector.example["settings"], **place, **changes},
        credentials=connector.example["credentials"],
        subscriptions=[
            {"message": it.name, "event_types": [f"{connector.name}.{it.name}"]} for it in connector.messages
        ],
        retry_plan=[60],
    )[0]


def publish_samples(tenant: Tenant, **changes: Any) -> int:
    """Publish the sample of each connector for each of its messages; return their number."""
    events = [
        {**connector.sample, "type": f"{connector.name}.{it.name}", "id": f"{connector.name}.{it.name}", **changes}
        for connector in list_connectors()
        for it in connector.messages
    ]
    publish(tenant, events)
    return len(events)


def test_every_connector_has_a_documented_shape() -> None:
    assert {it.name for it in list_connectors()} == SHAPES.keys()


def test_every_vendor_accepts_the_sample(vendors: Vendors, tenant: Tenant) -> None:
    for connector in list_connectors():
        endpoint_of(vendors, tenant, connector)
    count = publish_samples(tenant)
    run_drain()
    assert vendors.problems == {}
    assert Delivery.objects.filter(state="delivered").count() == count
    assert {name: len(it) for name, it in vendors.accepted.items()} == {
        it.name: len(it.messages) for it in list_connectors()
    }


def test_long_values_are_cut_and_not_refused(vendors: Vendors, tenant: Tenant) -> None:
    for connector in list_connectors():
        long = {it.name: "<$.data.text>" for it in connector.fields if it.takes_paths and it.type == "text"}
        endpoint_of(vendors, tenant, connector, **long)
    publish_samples(tenant, data={"text": LONG}, source=f"https://shop.example.com/{'s' * 900}")
    run_drain()
    assert vendors.problems == {}
    assert vendors.accepted["discord"][0]["content"].endswith("…")


def test_200_with_an_error_is_a_failed_attempt(vendors: Vendors, tenant: Tenant) -> None:
    connectors = {it.name: it for it in list_connectors()}
    endpoint = endpoint_of(vendors, tenant, connectors["slack_channel"], message="<$.data.none>")
    publish(tenant, [{"type": "slack_channel.event", "data": {}}])
    run_drain()
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.error) == (200, Failure.REFUSED)
    assert Delivery.objects.get().state == "pending"
    make_due(endpoint)
    run_drain()
    assert Delivery.objects.get().state == "dead"


def test_key_in_the_body_is_sent_and_not_stored(vendors: Vendors, tenant: Tenant) -> None:
    connectors = {it.name: it for it in list_connectors()}
    endpoint = endpoint_of(vendors, tenant, connectors["pagerduty"])
    publish(tenant, [{"type": "pagerduty.trigger", "data": {}}, {"type": "pagerduty.resolve", "data": {}}])
    run_drain()
    key = connectors["pagerduty"].example["credentials"]["routing_key"]
    assert {it["routing_key"] for it in vendors.accepted["pagerduty"]} == {key}
    assert [it["event_action"] for it in vendors.accepted["pagerduty"]] in (
        ["trigger", "resolve"],
        ["resolve", "trigger"],
    )
    stored = [bytes(it.body or b"") for it in Delivery.objects.all()]
    stored += [str(it.transformer).encode() for it in endpoint.subscriptions.all()]
    assert not any(key.encode() in it for it in stored)
