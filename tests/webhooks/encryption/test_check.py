"""Test that a process without the keys of stored values says so, and delivers nothing."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import current_app
from cryptography.fernet import Fernet
from django.test import Client

from delivery.models import Delivery
from delivery.tasks import PERIODIC_TASKS
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint
from webhooks import telemetry
from webhooks.encryption import check
from webhooks.encryption.check import fingerprint, forget, keys_problem, with_keys
from webhooks.encryption.models import EncryptionKey

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def keys(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Two keys, of which the first is in use."""
    monkeypatch.setattr(check, "_logged_at", float("-inf"))
    made = [Fernet.generate_key().decode() for _ in range(2)]
    settings.WAYPOST_ENCRYPTION_KEYS = made[:1]
    forget()
    assert keys_problem() == ""
    yield made
    forget()


def test_first_process_stores_a_value_of_its_key_once(keys: list[str]) -> None:
    forget()
    assert keys_problem() == ""
    assert list(EncryptionKey.objects.values_list("fingerprint", flat=True)) == [fingerprint(keys[0])]
    assert keys[0].encode() not in bytes(EncryptionKey.objects.get().ciphertext)


def test_machine_with_another_key_is_named_the_one_that_it_lacks(settings: Any, keys: list[str]) -> None:
    settings.WAYPOST_ENCRYPTION_KEYS = keys[1:]
    problem = keys_problem()
    assert fingerprint(keys[0]) in problem
    assert not any(key in problem for key in keys)
    assert EncryptionKey.objects.count() == 1  # the machine adds no key of its own, which others would lack


def test_new_key_before_the_old_one_is_in_order_and_then_needed(settings: Any, keys: list[str]) -> None:
    settings.WAYPOST_ENCRYPTION_KEYS = [keys[1], keys[0]]
    assert keys_problem() == ""
    settings.WAYPOST_ENCRYPTION_KEYS = keys[:1]
    forget()
    assert fingerprint(keys[1]) in keys_problem()


def test_empty_list_of_keys_names_the_setting(settings: Any) -> None:
    settings.WAYPOST_ENCRYPTION_KEYS = []
    assert keys_problem() == "WAYPOST_ENCRYPTION_KEYS must list at least one key."


def test_readyz_names_the_key_that_is_missing(settings: Any, keys: list[str], client: Client) -> None:
    settings.WAYPOST_ENCRYPTION_KEYS = keys[1:]
    response = client.get("/readyz")
    assert response.status_code == 503
    body = json.loads(response.content)
    assert (body["status"], body["database"]) == ("not ready", "ok")
    assert fingerprint(keys[0]) in body["encryption_keys"]


def test_task_without_the_key_does_nothing_and_logs_it_once_a_minute(
    settings: Any, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(telemetry, "log_keys_missing", logged.append)
    ran: list[bool] = []
    task = with_keys(lambda: ran.append(True))
    settings.WAYPOST_ENCRYPTION_KEYS = keys[1:]
    for _ in range(3):
        task()
    assert (ran, len(logged)) == ([], 1)
    settings.WAYPOST_ENCRYPTION_KEYS = keys
    task()
    assert ran == [True]


def test_drain_of_a_machine_without_the_key_uses_no_attempt(settings: Any, keys: list[str]) -> None:
    endpoint = make_endpoint()
    delivery = make_delivery(make_event(endpoint.tenant), endpoint)
    settings.WAYPOST_ENCRYPTION_KEYS = keys[1:]
    assert "delivery.deliver_due" in {it.name for it in PERIODIC_TASKS}
    current_app.tasks["delivery.deliver_due"]()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (Delivery.State.PENDING, 0)
