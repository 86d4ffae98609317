"""The pages that create an endpoint from a connector."""

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from subscriptions.connectors.catalogue import list_connectors
from subscriptions.endpoints.http.encrypted_fields import decrypt_fields
from subscriptions.models import Endpoint
from tests.factories import make_tenant
from webhooks.kit.jsonata.evaluators import EvaluatorUnavailable, evaluators

pytestmark = pytest.mark.django_db
ADD = "/admin/subscriptions/endpoint/add/"
KEY = "R" + "7" * 31
PAGERDUTY = {
    "tenant": "acme",
    "settings_base_url": "http://127.0.0.1:8099",
    "settings_summary": "<$.data.message>",
    "settings_dedup_key": "<$.subject>",
    "settings_severity": "error",
    "credentials_routing_key": KEY,
    "events_trigger": "service.down, service.degraded",
    "events_resolve": "service.up",
}


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    make_tenant(uid="acme")


def post(client: Client, **changes: str) -> str:
    return html.unescape(client.post(f"{ADD}?connector=pagerduty", {**PAGERDUTY, **changes}).content.decode())


def test_gallery_and_forms_show_every_connector(admin_client: Client) -> None:
    gallery = admin_client.get(ADD).content.decode()
    for connector in list_connectors():
        assert f"?connector={connector.name}" in gallery
        page = html.unescape(admin_client.get(f"{ADD}?connector={connector.name}").content.decode())
        assert connector.documentation in page
        assert all(f'name="{it.path.replace(".", "_")}"' in page for it in connector.fields), connector.name
        assert page.count('name="events_') == len(connector.messages)
        assert len(re.findall(r'name="events_[a-z_]+" class="wp-input"', page)) == len(connector.messages), (
            connector.name
        )
        assert "POST http" in page
        preview = page.split('id="preview"')[1]
        assert not any(secret in preview for secret in connector.example["credentials"].values()), connector.name


def test_endpoint_is_created_with_a_subscription_for_each_message(admin_client: Client) -> None:
    assert "whsec_" in post(admin_client)
    endpoint = Endpoint.objects.get()
    assert (endpoint.http.connector, endpoint.http.url) == ("pagerduty", "http://127.0.0.1:8099/v2/enqueue")
    assert decrypt_fields(endpoint.http).auth["value"] == KEY
    types = [it.event_types for it in endpoint.subscriptions.order_by("id")]
    assert types == [["service.down", "service.degraded"], ["service.up"]]


def test_preview_shows_the_request_and_creates_nothing(admin_client: Client) -> None:
    page = post(admin_client, preview="1", tenant="")
    assert '"summary": "3 of 5 probes fail"' in page
    assert '"routing_key": "***"' in page
    assert KEY not in page
    assert not Endpoint.objects.exists()


def test_expression_makes_the_body_of_its_message(admin_client: Client) -> None:
    expression = "{'event_action': 'trigger', 'summary': $uppercase(data.message)}"
    page = post(admin_client, preview="1", tenant="", jsonata_trigger=expression)
    assert '"summary": "3 OF 5 PROBES FAIL"' in page
    assert page.count('"routing_key": "***"') == 3
    assert '"event_action": "resolve"' in page
    assert "whsec_" in post(admin_client, jsonata_trigger=expression)
    down, up = Endpoint.objects.get().subscriptions.order_by("id")
    assert down.transformer == {"content_type": "application/json", "jsonata": expression}
    assert "template" in up.transformer


@pytest.mark.parametrize(("name", "value"), [("preview", "1"), ("_save", "1")])
def test_machine_that_is_too_busy_for_an_expression_says_so(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    def busy(*_: object) -> None:
        raise EvaluatorUnavailable("busy")

    monkeypatch.setattr(evaluators(), "evaluate", busy)
    assert "No process that evaluates JSONata" in post(admin_client, jsonata_trigger="id", **{name: value})
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jsonata_resolve": "data..x"}, "at character 6"),
        ({"tenant": "unknown"}, "There is no tenant with this ID."),
        ({"settings_summary": "<$.a..b>"}, "a path has only"),
        ({"settings_severity": "loud"}, "Select a valid choice"),
        ({"settings_base_url": "http://10.0.0.1"}, "This address may not be called: it is private or reserved"),
        ({"credentials_routing_key": ""}, "This field is required."),
        ({"events_trigger": "x" * 300}, "Each must be"),
        ({"events_resolve": "service.down"}, "another transformer"),
    ],
)
def test_refused_value_is_shown_at_its_field(admin_client: Client, changes: dict[str, str], message: str) -> None:
    page = post(admin_client, **changes)
    assert message in page.replace("A path has only", "a path has only")
    assert not Endpoint.objects.exists()


def test_page_needs_the_permission_to_add_endpoints(client: Client) -> None:
    client.force_login(User.objects.create_user("ops", is_staff=True))
    assert client.get(f"{ADD}?connector=slack").status_code == 403
