"""Test the known senders over REST."""

import pytest

from subscriptions.models import Tenant
from tests.factories import make_client, make_tenant
from tests.routes import ApiRoute, RouteCases
from webhooks.senders.presets import sender_names

pytestmark = pytest.mark.django_db

API = "/api/v1"


class TestRoutes(RouteCases):
    routes = [ApiRoute("get", "senders/", "read", 200)]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        return {}


def test_list_has_every_sender_with_the_fields_of_its_preset() -> None:
    client = make_client(make_tenant())
    listed = client.get(f"{API}/senders/").json()["data"]
    assert [sender["name"] for sender in listed] == list(sender_names())
    zoom = next(sender for sender in listed if sender["name"] == "zoom")
    assert (zoom["label"], zoom["fields"]["scheme"]) == ("Zoom", "hmac")
