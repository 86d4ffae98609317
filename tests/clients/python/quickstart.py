"""Do the quickstart with the Python client that openapi-python-client generates; print what it found as JSON.

Arguments: address of the platform, API key, URL of the receiver.
"""

import json
import sys
import time
from typing import Any

from waypost_client import AuthenticatedClient
from waypost_client.api.deliveries import list_deliveries
from waypost_client.api.endpoints import create_endpoint, list_endpoints
from waypost_client.api.events import create_event, create_event_batch, get_event
from waypost_client.api.subscriptions import create_subscription
from waypost_client.models import (
    AcceptedEvent,
    DeliveryPage,
    DeliveryState,
    EndpointCreateRequest,
    EndpointPage,
    EndpointWithSecret,
    EventCreateRequest,
    EventDetail,
    Problem,
    PublishBatchResult,
    PublishResult,
    RejectedEvent,
    Subscription,
    SubscriptionRequest,
)

WAIT = 30  # seconds


def main(address: str, key: str, url: str) -> dict[str, Any]:
    client = AuthenticatedClient(base_url=address, token=key)
    endpoint = create_endpoint.sync(client=client, body=EndpointCreateRequest(url=url, uid="python"))
    assert isinstance(endpoint, EndpointWithSecret), endpoint
    subscription = create_subscription.sync(
        client=client, body=SubscriptionRequest(endpoint="python", event_types=["order.python"])
    )
    assert isinstance(subscription, Subscription), subscription
    event = create_event.sync(client=client, body=EventCreateRequest(type_="order.python", data={"total": 42}))
    assert isinstance(event, PublishResult), event
    batch = create_event_batch.sync(
        client=client, body=[EventCreateRequest(type_="order.other"), EventCreateRequest(type_="")]
    )
    assert isinstance(batch, PublishBatchResult), batch
    accepted, rejected = batch.data
    assert isinstance(accepted, AcceptedEvent), accepted
    assert isinstance(rejected, RejectedEvent), rejected
    page = list_endpoints.sync(client=client)
    assert isinstance(page, EndpointPage), page
    shown = get_event.sync(event.id, client=client)
    assert isinstance(shown, EventDetail), shown
    problem = create_endpoint.sync(client=client, body=EndpointCreateRequest(url="nowhere"))
    assert isinstance(problem, Problem), problem
    return {
        "secret": endpoint.secret,
        "endpoints": [it.uid for it in page.data],
        "disabled_reason": endpoint.disabled_reason,
        "event": shown.event.type_,
        "problem": problem.errors[0].field,
        "rejected": rejected.error.status,
        "delivered": wait_until_delivered(client, event.id),
    }


def wait_until_delivered(client: AuthenticatedClient, event: str) -> int:
    """Return the status that the receiver responded with."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        page = list_deliveries.sync(client=client, event=event)
        assert isinstance(page, DeliveryPage), page
        if page.data[0].state == DeliveryState.DELIVERED:
            return page.data[0].last_status
        time.sleep(0.1)
    raise SystemExit(f"not delivered within {WAIT} s: {page.data[0]}")


print(json.dumps(main(*sys.argv[1:])))
