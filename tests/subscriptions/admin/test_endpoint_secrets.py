"""Rotate and end the signing secrets of an endpoint in the admin."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from subscriptions.endpoints.signing_secrets import active_secrets, rotate_secret
from subscriptions.models import Endpoint
from tests.factories import make_endpoint
from tests.staff import staff
from webhooks.kit.encryption import decrypt

pytestmark = pytest.mark.django_db


def page(endpoint: Endpoint) -> str:
    return f"/admin/subscriptions/endpoint/{endpoint.pk}/secrets/"


def send(client: Client, endpoint: Endpoint, **given: str) -> Any:
    return client.post(page(endpoint), given)


def ids(endpoint: Endpoint) -> list[str]:
    return [secret.public_id for secret in active_secrets(endpoint)]


@pytest.mark.parametrize(("overlap", "count"), [("0", 1), ("60", 2)])
def test_rotation_with_an_overlap_shows_the_new_secret_once(overlap: str, count: int) -> None:
    endpoint, client = make_endpoint(), staff("view_endpoint", "add_signingsecret")
    shown = send(client, endpoint, overlap_seconds=overlap)
    text = decrypt(endpoint.secrets.get(expires_at=None).ciphertext)
    assert text in shown.text.replace("&#x2B;", "+")
    assert shown["Cache-Control"].startswith("no-store")
    assert text not in client.get(page(endpoint)).text.replace("&#x2B;", "+")
    assert len(ids(endpoint)) == count


def test_older_secret_is_ended_at_once_and_it_is_logged() -> None:
    endpoint = make_endpoint()
    rotate_secret(endpoint, 3600)
    new, old = ids(endpoint)
    client = staff("view_endpoint", "delete_signingsecret")
    assert "End now" in client.get(page(endpoint)).text
    send(client, endpoint, end=old)
    assert ids(endpoint) == [new]
    assert LogEntry.objects.get().get_change_message() == f"ended {old}"


def test_current_secret_cannot_be_ended() -> None:
    endpoint = make_endpoint()
    client = staff("view_endpoint", "delete_signingsecret")
    shown = client.post(page(endpoint), {"end": ids(endpoint)[0]}, follow=True)
    assert "create another first" in shown.text
    assert len(ids(endpoint)) == 1
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("overlap", ["", "-1", "2592001", "soon"])
def test_invalid_overlap_is_reported_and_changes_nothing(overlap: str) -> None:
    endpoint = make_endpoint()
    assert "wp-error" in send(staff("view_endpoint", "add_signingsecret"), endpoint, overlap_seconds=overlap).text
    assert len(ids(endpoint)) == 1


@pytest.mark.parametrize(
    ("permission", "given"), [("delete_signingsecret", {"overlap_seconds": "0"}), ("add_signingsecret", {"end": "x"})]
)
def test_change_without_its_permission_is_forbidden(permission: str, given: dict[str, str]) -> None:
    endpoint = make_endpoint()
    assert send(staff("view_endpoint", permission), endpoint, **given).status_code == 403


def test_page_without_permissions_is_forbidden() -> None:
    assert staff("view_endpoint", "change_endpoint").get(page(make_endpoint())).status_code == 403
