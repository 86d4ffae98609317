"""The pages that create an endpoint of any type and change its settings."""

from typing import Any

import pytest
from django.test import Client

from subscriptions.endpoints.destinations.settings import connection_of
from subscriptions.models import DestinationSettings, Endpoint
from tests.factories import make_tenant

pytestmark = pytest.mark.django_db
ADD = "/admin/subscriptions/endpoint/add/"
STREAM = {
    "settings_host": "redis.example.com:6379",
    "settings_stream": "orders",
    "settings_database": "0",
    "settings_username": "waypost",
    "credentials_password": "p-Zeitgeist",
    "skip_test": "on",
}


@pytest.fixture
def stream(admin_client: Client) -> Endpoint:
    tenant = make_tenant(uid="acme")
    page = admin_client.post(f"{ADD}?type=redis_stream", {**STREAM, "tenant": "acme", "uid": "stream"})
    assert "whsec_" in page.content.decode()
    return Endpoint.objects.get(tenant=tenant)


def test_types_are_listed_first(admin_client: Client) -> None:
    text = admin_client.get(ADD).content.decode()
    assert "?type=http" in text
    assert "?type=redis_stream" in text


def test_endpoint_of_a_type_is_created_with_its_settings(stream: Endpoint) -> None:
    assert (stream.kind, stream.uid) == ("redis_stream", "stream")
    assert stream.address == "redis://redis.example.com:6379/0/orders"
    assert connection_of(stream.destination).credentials == {"password": "p-Zeitgeist"}


def test_endpoint_of_a_url_is_created(admin_client: Client, settings: Any) -> None:
    settings.WAYPOST_ALLOW_NETWORKS = ["127.0.0.0/8"]
    tenant = make_tenant()
    fields = {"tenant": tenant.public_id, "settings_url": "https://127.0.0.1/hooks"}
    assert "whsec_" in admin_client.post(f"{ADD}?type=http", fields).content.decode()
    assert Endpoint.objects.get().address == "https://127.0.0.1/hooks"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tenant": "unknown"}, "There is no tenant with this ID."),
        ({"settings_host": "a:b:c"}, "Must be host:port"),
        ({"settings_stream": ""}, "This field is required."),
        ({"settings_database": "-1"}, "greater than or equal to 0"),
        ({"uid": "a b"}, "A uid is 1 to 256"),
    ],
)
def test_value_that_is_not_allowed_is_named_beside_its_field(
    admin_client: Client, changes: dict[str, str], message: str
) -> None:
    make_tenant(uid="acme")
    text = admin_client.post(f"{ADD}?type=redis_stream", {**STREAM, "tenant": "acme", **changes}).content.decode()
    assert message in text
    assert "p-Zeitgeist" not in text
    assert not Endpoint.objects.exists()


def test_settings_that_do_not_work_are_refused_unless_the_test_is_skipped(admin_client: Client, settings: Any) -> None:
    settings.WAYPOST_ALLOW_NETWORKS = ["127.0.0.0/8"]
    make_tenant(uid="acme")
    fields = {**STREAM, "tenant": "acme", "settings_host": "127.0.0.1:1"}
    fields.pop("skip_test")
    assert "skip_test" in admin_client.post(f"{ADD}?type=redis_stream", fields).content.decode()
    assert not Endpoint.objects.exists()


def test_settings_are_changed_and_credentials_kept(admin_client: Client, stream: Endpoint) -> None:
    page = f"/admin/subscriptions/endpoint/{stream.pk}/settings/"
    shown = admin_client.get(page).content.decode()
    assert "redis.example.com:6379" in shown
    assert "p-Zeitgeist" not in shown
    response = admin_client.post(page, {**STREAM, "settings_stream": "others", "credentials_password": ""})
    assert response.status_code == 302
    row = DestinationSettings.objects.get()
    assert row.settings["stream"] == "others"
    assert row.settings_changed_at
    assert connection_of(row).credentials == {"password": "p-Zeitgeist"}


def test_page_of_an_endpoint_shows_its_settings(admin_client: Client, stream: Endpoint) -> None:
    text = admin_client.get(f"/admin/subscriptions/endpoint/{stream.pk}/change/").content.decode()
    assert "stream: orders" in text
    assert "p-Zeitgeist" not in text


def test_pages_require_their_permissions(client: Client, django_user_model: Any, stream: Endpoint) -> None:
    client.force_login(django_user_model.objects.create_user("reader", is_staff=True))
    assert client.get(ADD).status_code == 403
    assert client.get(f"/admin/subscriptions/endpoint/{stream.pk}/settings/").status_code == 403
