"""Entity tags and 304 responses, and the deprecation headers of views and fields."""

from datetime import UTC, datetime

import pytest
from rest_framework.test import APIClient

from delivery.api.publishing.events import Events
from subscriptions.api.endpoints import Endpoints
from subscriptions.api.serializers.subscriptions import SubscriptionSerializer
from tests.delivery.factories import make_event
from tests.factories import make_client, make_endpoint, make_tenant
from webhooks.wire.deprecation import Deprecation

pytestmark = pytest.mark.django_db

API = "/api/v1/"
DEPRECATION = Deprecation(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), "https://example.com/why")
HEADERS = {
    "Deprecation": "@1767225600",
    "Sunset": "Fri, 01 Jan 2027 00:00:00 GMT",
    "Link": '<https://example.com/why>; rel="deprecation"; type="text/html"',
}


def deprecation_headers(response):
    return {name: response[name] for name in HEADERS if name in response}


@pytest.mark.parametrize("path", ["endpoints/{endpoint}/", "endpoints/", "events/{event}/", "schema/"])
def test_get_with_the_current_entity_tag_is_a_304(path):
    endpoint = make_endpoint()
    event = make_event(endpoint.tenant)
    client = make_client(endpoint.tenant)
    address = API + path.format(endpoint=endpoint.public_id, event=event.public_id)
    first = client.get(address)
    again = client.get(address, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert client.get(address, headers={"If-None-Match": '"another"'}).status_code == 200


def test_get_with_the_entity_tag_before_a_change_is_a_200():
    endpoint = make_endpoint()
    client, path = make_client(endpoint.tenant), f"{API}endpoints/{endpoint.public_id}/"
    before = client.get(path)["ETag"]
    client.patch(path, {"description": "Another"})
    assert client.get(path, headers={"If-None-Match": before}).status_code == 200


def test_problem_has_no_entity_tag_and_ignores_if_none_match():
    response = make_client(make_tenant()).get(f"{API}endpoints/nothing/", headers={"If-None-Match": "*"})
    assert response.status_code == 404
    assert "ETag" not in response


def test_response_of_a_current_view_has_no_deprecation_headers():
    assert deprecation_headers(make_client(make_tenant()).get(f"{API}endpoints/")) == {}


@pytest.mark.parametrize("view", [Endpoints, Events])
def test_deprecated_view_announces_its_end_in_every_response(view, monkeypatch):
    monkeypatch.setattr(view, "deprecation", DEPRECATION, raising=False)
    path = f"{API}{view.__name__.lower()}/"
    client = make_client(make_tenant())
    assert (
        deprecation_headers(client.get(path))
        == deprecation_headers(client.post(path, {}))
        == deprecation_headers(APIClient().get(path))
        == HEADERS
    )


def test_deprecated_field_is_announced_only_to_requests_that_send_it(monkeypatch):
    monkeypatch.setattr(SubscriptionSerializer, "deprecated_fields", {"pattern": DEPRECATION}, raising=False)
    endpoint = make_endpoint()
    client = make_client(endpoint.tenant)
    body = {"endpoint": endpoint.public_id}
    assert deprecation_headers(client.post(f"{API}subscriptions/", body)) == {}
    assert deprecation_headers(client.post(f"{API}subscriptions/", {**body, "pattern": None})) == HEADERS


def test_deprecation_without_a_sunset_date_has_one_header():
    assert Deprecation(datetime(2026, 1, 1, tzinfo=UTC)).headers() == {"Deprecation": "@1767225600"}
