"""References: deliveries that contain a link to the data instead of the data, and the link itself."""

import json
import time
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from delivery.api import data as event_data
from delivery.models import Delivery
from delivery.models import Event as StoredEvent
from delivery.publishing.publisher import publish
from delivery.sql.claim import ClaimRequest, claim_deliveries
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.models import Endpoint, HttpSettings
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.http_modes import read_structured
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db

DAY = 86_400


def subscribed(**changes: Any) -> Endpoint:
    return make_subscription(make_endpoint(**{"content_mode": "reference", **changes})).endpoint


def published(endpoint: Endpoint, event: Any) -> Delivery:
    (result,) = publish(endpoint.tenant, [event])
    assert result.error is None
    return Delivery.objects.get(event=result.key, endpoint=endpoint)


def sent(delivery: Delivery) -> Event:
    assert delivery.body
    return read_structured(bytes(delivery.body))


def path(link: str) -> str:
    return link.removeprefix("http://127.0.0.1:8000")


def fetched(delivery: Delivery) -> Any:
    return APIClient().get(path(sent(delivery).attributes["dataref"]))


def test_reference_has_a_link_instead_of_the_data() -> None:
    endpoint = subscribed()
    delivery = published(endpoint, {"type": "order.paid", "subject": "7", "data": {"total": 42}})
    event = sent(delivery)
    assert delivery.content_type == "application/cloudevents+json"
    assert not event.has_data
    assert (event.attributes["type"], event.attributes["subject"]) == ("order.paid", "7")
    whole = read_structured(bytes(delivery.event.body))
    assert {**event.attributes, **whole.attributes} == event.attributes
    assert delivery.body
    assert json.loads(bytes(delivery.body))["datasize"] == len(whole.data or b"")  # an Integer, as the extension says


@pytest.mark.parametrize(
    "event",
    [
        Event.with_json({"id": "1", "source": "/a", "type": "a", "specversion": "1.0"}, b'{ "total" : 42.0 }'),
        Event.with_bytes(
            {"id": "1", "source": "/a", "type": "a", "specversion": "1.0", "datacontenttype": "image/png"},
            bytes(range(256)),
        ),
        Event.with_bytes(
            {"id": "1", "source": "/a", "type": "a", "specversion": "1.0", "datacontenttype": "text/html"},
            b"<script>alert(1)</script>",
        ),
    ],
    ids=["json", "binary", "text"],
)
def test_link_returns_the_bytes_of_the_data(event: Event) -> None:
    delivery = published(subscribed(), event)
    response = fetched(delivery)
    assert response.status_code == 200
    assert response.content == event.data
    assert sent(delivery).attributes["datasha256"] == sha256(response.content).hexdigest()
    assert response["Content-Type"] == event.attributes.get("datacontenttype", "application/json")
    assert response["Content-Disposition"] == "attachment"
    assert response["Repr-Digest"].startswith("sha-256=:")


def test_event_without_data_is_sent_without_a_link() -> None:
    delivery = published(subscribed(), {"type": "ping"})
    assert (delivery.body, delivery.content_type) == (None, None)


def test_event_above_reference_above_bytes_is_a_reference_in_any_mode() -> None:
    for mode in ("structured", "binary"):
        endpoint = subscribed(content_mode=mode, reference_above_bytes=20)
        assert not published(endpoint, {"type": "a", "data": "x" * 18}).content_type
        assert published(endpoint, {"type": "a", "data": "x" * 19}).content_type


def test_transformed_delivery_is_no_reference() -> None:
    endpoint = make_endpoint(content_mode="reference")
    make_subscription(endpoint, transformer={"template": '{"text":"hello"}'})
    delivery = published(endpoint, {"type": "a", "data": 5})
    assert (bytes(delivery.body or b""), delivery.content_type) == (b'{"text":"hello"}', None)


def test_reference_of_one_endpoint_leaves_other_endpoints_the_whole_event() -> None:
    endpoint = subscribed()
    other = make_subscription(make_endpoint(endpoint.tenant)).endpoint
    delivery = published(endpoint, {"type": "a", "data": 5})
    assert Delivery.objects.get(event=delivery.event, endpoint=other).body is None


def test_changed_mode_applies_to_later_events() -> None:
    endpoint = subscribed(content_mode="structured")
    assert not published(endpoint, {"type": "a", "data": 5}).content_type
    HttpSettings.objects.filter(pk=endpoint.pk).update(content_mode="reference")
    assert published(endpoint, {"type": "a", "data": 5}).content_type


def test_link_is_valid_until_the_event_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = subscribed(tenant=make_tenant(retention_days=3))
    delivery = published(endpoint, {"type": "a", "data": 5})
    now = time.time()
    monkeypatch.setattr(event_data.time, "time", lambda: now + 3 * DAY - 60)
    assert fetched(delivery).status_code == 200
    monkeypatch.setattr(event_data.time, "time", lambda: now + 3 * DAY + 60)
    response = fetched(delivery)
    assert (response.status_code, response["Content-Type"]) == (410, "application/problem+json")


def test_link_to_a_deleted_event_has_expired() -> None:
    delivery = published(subscribed(), {"type": "a", "data": 5})
    StoredEvent.objects.all().delete()
    assert fetched(delivery).status_code == 410


def test_link_of_a_deleted_endpoint_is_not_found() -> None:
    endpoint = subscribed()
    delivery = published(endpoint, {"type": "a", "data": 5})
    delete_endpoint(endpoint)
    assert fetched(delivery).status_code == 404


def test_changed_link_is_not_found() -> None:
    one, other = (published(subscribed(), {"type": "a", "data": n}) for n in range(2))
    parts = path(sent(one).attributes["dataref"]).strip("/").split("/")
    others = path(sent(other).attributes["dataref"]).strip("/").split("/")
    later = str(int(parts[5]) + 1)
    forged = [
        [*parts[:3], others[3], *parts[4:]],
        [*parts[:4], others[4], *parts[5:]],
        [*parts[:5], later, parts[6]],
        [*parts[:6], others[6]],
        [*parts[:6], parts[6][:-1]],
        [*parts[:3], "evt_x", "ep_x", "soon", parts[6]],
    ]
    for each in forged:
        assert APIClient().get("/" + "/".join(each) + "/").status_code == 404
    assert fetched(one).status_code == 200


def test_link_ignores_the_accept_header() -> None:
    delivery = published(subscribed(), {"type": "a", "data": 5})
    response = APIClient().get(path(sent(delivery).attributes["dataref"]), headers={"accept": "image/png"})
    assert (response.status_code, response.content) == (200, b"5")


def test_claimed_reference_is_marked_as_one() -> None:
    endpoint = subscribed()
    published(endpoint, {"type": "a", "data": 5})
    Delivery.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    asking = ClaimRequest(endpoint.id, 5, timezone.now() - timedelta(hours=1), 30.0)
    (claimed,) = claim_deliveries(new_id(), [asking])
    assert (claimed.rendered, claimed.content_type) == (True, "application/cloudevents+json")


def test_mode_and_limit_are_set_over_rest() -> None:
    endpoint = make_endpoint()
    client = make_client(endpoint.tenant)
    changed = client.patch(
        f"/api/v1/endpoints/{endpoint.public_id}/", {"content_mode": "reference", "reference_above_bytes": 65_536}
    ).json()
    assert (changed["content_mode"], changed["reference_above_bytes"]) == ("reference", 65_536)
    for bad in (-1, "5", 2**31, 1.5):
        response = client.patch(f"/api/v1/endpoints/{endpoint.public_id}/", {"reference_above_bytes": bad})
        assert "reference_above_bytes" in json.dumps(response.json()["errors"])
