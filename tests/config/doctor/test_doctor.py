"""Checks of an installation: each fault is named, with a remedy, and no secret is shown."""

import json
import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core.management import call_command
from django.db import connection

from config.doctor import checks, databases, own_delivery, surroundings
from config.doctor.finding import Finding, Level, error, ok
from delivery.models import Delivery
from delivery.publishing.publisher import publish
from subscriptions.models import Endpoint, Inspector
from tests.valkey_server import valkey_server

PASSWORD = "s3cret-word"


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.django_db
def test_server_of_the_tests_is_sound_but_for_its_durability() -> None:
    found = list(databases.check_postgresql())
    assert found[0].level is Level.OK
    assert found[0].text.startswith("PostgreSQL ")
    wrong = {it.text.split(" is ")[0] for it in found if it.level is Level.ERROR}
    assert wrong <= set(databases.DURABLE)


@pytest.mark.django_db
def test_setting_that_loses_data_is_an_error() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
    found = [it for it in databases.check_postgresql() if "synchronous_commit" in it.text]
    assert [(it.level, it.advice) for it in found] == [(Level.ERROR, "set synchronous_commit = on")]


@pytest.mark.django_db(transaction=True)
def test_notification_arrives() -> None:
    assert [it.level for it in databases.check_notifications()] == [Level.OK]


@pytest.mark.django_db(transaction=True)
def test_notification_that_is_lost_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "NOTIFIED_WITHIN", 0.3)
    monkeypatch.setattr(databases.Listener, "received", lambda _listener: set())
    (found,) = databases.check_notifications()
    assert found.level is Level.ERROR
    assert "pool_mode = session" in found.advice


def test_broker_that_evicts_is_a_warning(settings: Any) -> None:
    with valkey_server() as address:
        settings.CELERY_BROKER_URL = url = f"redis://{address}"
        assert [it.level for it in databases.check_broker()] == [Level.OK]
        with databases.Connection(url) as broker:
            broker.default_channel.client.config_set("maxmemory-policy", "allkeys-lru")
        assert [it.level for it in databases.check_broker()] == [Level.OK, Level.WARNING]


@pytest.mark.parametrize(("free", "level"), [(50, Level.OK), (9, Level.WARNING), (1, Level.ERROR)])
def test_disk_that_fills_up_is_said(monkeypatch: pytest.MonkeyPatch, free: int, level: Level) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(100, 100 - free, free))
    assert [it.level for it in surroundings.check_disk()] == [level]


def test_storage_is_tried_and_left_empty(settings: Any, tmp_path: Path) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "claims": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}},
    }
    assert [it.level for it in surroundings.check_storage()] == [Level.OK]
    assert not [it for it in tmp_path.rglob("*") if it.is_file()]


def test_address_that_does_not_answer_is_an_error(settings: Any) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:1"
    (found,) = surroundings.check_public_address()
    assert found.level is Level.ERROR
    assert "does not respond" in found.text


def test_production_without_https_is_an_error(settings: Any) -> None:
    settings.IN_PRODUCTION, settings.PUBLIC_URL = True, "http://127.0.0.1:1"
    first, _ = surroundings.check_public_address()
    assert "set PUBLIC_URL to the https:// address" in first.advice


@pytest.mark.django_db(transaction=True)
def test_delivery_without_workers_says_which_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_delivery, "DELIVERED_WITHIN", 0.3)
    (found,) = own_delivery.check_own_delivery()
    assert found.level is Level.ERROR
    assert "workers of the queue delivery" in found.advice
    assert not Endpoint.objects.filter(deleted_at=None).exists()
    assert not Inspector.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_delivery_is_reported_when_it_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    def publish_and_deliver(*arguments: Any) -> Any:
        published = publish(*arguments)
        Delivery.objects.update(state=Delivery.State.DELIVERED)
        return published

    monkeypatch.setattr(own_delivery, "publish", publish_and_deliver)
    assert [it.level for it in own_delivery.check_own_delivery()] == [Level.OK]


def test_check_that_fails_hides_its_text_and_those_that_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[Finding]:
        raise OSError(f"cannot connect with {PASSWORD}")
        yield ok("")

    def never() -> Iterator[Finding]:
        raise AssertionError("it needs the first one")
        yield ok("")

    made = {"database": (broken, ""), "migrations": (never, "database"), "keys": (never, "migrations")}
    monkeypatch.setattr(checks, "CHECKS", made)
    assert list(checks.examine()) == [error("database: OSError", checks.ADVICE["database"])]


@pytest.mark.parametrize(("finding", "status"), [(ok("fine"), 0), (error("broken", "mend it"), 1)])
def test_command_prints_and_ends_with_the_status(
    monkeypatch: pytest.MonkeyPatch, finding: Finding, status: int
) -> None:
    monkeypatch.setattr(checks, "CHECKS", {"one": (lambda: iter([finding]), "")})
    output = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--json", "--no-delivery", stdout=output)
    assert ended.value.code == status
    assert json.loads(output.getvalue()) == finding._asdict()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("pooled", "advice"),
    [
        (None, "and leave the pooler in DATABASE_URL"),
        ({"NAME": "other"}, "not the pooler"),
    ],
    ids=["without the address of the server", "at the address of the server"],
)
def test_pooler_in_transaction_mode_is_an_error(
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    pooled: dict[str, str] | None,
    advice: str,
) -> None:
    settings.WAYPOST_POOLED_DATABASE = pooled
    monkeypatch.setattr(databases, "shares_sessions", lambda _parameters: True)
    (found,) = databases.check_pooler()
    assert found.level is Level.ERROR
    assert advice in found.advice


@pytest.mark.django_db(transaction=True)
def test_database_without_a_pooler_has_no_finding_about_one() -> None:
    assert list(databases.check_pooler()) == []


@pytest.mark.django_db(transaction=True)
def test_pooler_for_requests_is_named_with_what_it_lacks(settings: Any) -> None:
    settings.WAYPOST_POOLED_DATABASE = {}  # the same address
    assert [it.level for it in databases.check_pooler()] == [Level.OK, Level.WARNING]
    settings.WAYPOST_POOLED_DATABASE = {"NAME": "postgres"}
    (found,) = databases.check_pooler()
    assert (found.level, found.advice) == (
        Level.ERROR,
        "name the same database in both",
    )
