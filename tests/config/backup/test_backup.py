"""A backup has everything, and is restored into an empty database only."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import connection

from config.backup import directory, postgresql
from config.backup.directory import CLAIMS, DUMP, back_up, restore
from config.backup.postgresql import BackupFailed
from delivery.models import Delivery, Event
from delivery.publishing.publisher import publish
from subscriptions.models import Endpoint
from tests.database_url import database_url
from tests.docs.inventory import block_for
from tests.factories import make_endpoint, make_subscription

pytestmark = pytest.mark.django_db(transaction=True)
OTHER = "waypost_restored"


@pytest.fixture
def empty_database() -> Iterator[str]:
    """Return the name of an empty database beside that of the tests."""
    with psycopg.connect(database_url(), autocommit=True) as opened:
        opened.execute(f"DROP DATABASE IF EXISTS {OTHER} WITH (FORCE)".encode())
        opened.execute(f"CREATE DATABASE {OTHER} TEMPLATE template0".encode())
        yield OTHER
        opened.execute(f"DROP DATABASE IF EXISTS {OTHER} WITH (FORCE)".encode())


@pytest.fixture
def claims(settings: Any, tmp_path: Path) -> Path:
    """Store large bodies in a directory of this test."""
    found = tmp_path / "stored"
    backend = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = {**settings.STORAGES, "claims": {"BACKEND": backend, "OPTIONS": {"location": str(found)}}}
    found.mkdir()
    return found


def test_restored_platform_has_events_deliveries_secrets_and_large_bodies(
    empty_database: str, claims: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = make_subscription(make_endpoint()).endpoint
    publish(endpoint.tenant, [{"type": "order.paid", "data": {"n": n}} for n in range(3)])
    (claims / "body").write_bytes(b"large")
    back_up(tmp_path / "backup")
    assert {it.name for it in (tmp_path / "backup").iterdir()} == {"backup.json", CLAIMS, DUMP}
    (claims / "body").unlink()
    parameters = {**connection.get_connection_params(), "dbname": empty_database}
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(connection, "get_connection_params", lambda: parameters)
        said = restore(tmp_path / "backup")
        connection.close()
        counts = {model._meta.db_table: model.objects.count() for model in (Event, Delivery, Endpoint)}  # there
        connection.close()
    assert said[0].startswith("restored what version")
    assert counts == {"delivery_event": 3, "delivery_delivery": 3, "subscriptions_endpoint": 1}
    assert (claims / "body").read_bytes() == b"large"


def test_restore_refuses_a_database_that_has_tables(tmp_path: Path) -> None:
    back_up(tmp_path / "backup")
    with pytest.raises(CommandError, match="tables already"):
        call_command("restore", str(tmp_path / "backup"))


def test_backup_refuses_a_directory_that_exists(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot create"):
        call_command("backup", str(tmp_path))


def test_restore_refuses_what_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="no backup"):
        restore(tmp_path)


def test_restore_of_another_version_says_to_migrate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "backup.json").write_text(json.dumps({"version": "0.0.1", "made_at": "2030-01-01T00:00:00+00:00"}))
    monkeypatch.setattr(directory.postgresql, "restore", lambda _parameters, _file: None)
    assert "waypost-server upgrade --no-backup" in restore(tmp_path)[1]


def test_failure_of_the_program_is_one_line_without_the_password(tmp_path: Path) -> None:
    parameters = {"host": "127.0.0.1", "port": "1", "user": "waypost", "password": "sesame", "dbname": "waypost"}
    with pytest.raises(BackupFailed) as failed:
        postgresql.dump(parameters, tmp_path / DUMP)
    assert "sesame" not in str(failed.value)


def test_commands_of_the_guide_are_commands_of_the_platform(tmp_path: Path) -> None:
    lines = [line.partition("#")[0].split() for line in block_for("backup").text.splitlines() if line]
    assert [words[:2] for words in lines] == [["python", "manage.py"]] * 5
    for _, _, name, *arguments in lines[:4]:
        load_command_class(get_commands()[name], name).create_parser("manage.py", name).parse_args(arguments)
    assert lines[4][2] == "version"
