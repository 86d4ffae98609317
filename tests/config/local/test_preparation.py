"""Test what `up` does with the database before its programs start."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from config.local import preparation
from config.local.launch import CannotRun
from config.local.preparation import Preparation
from tests.valkey_server import valkey_server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def migrated(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a file that is there when the fork has migrated; close the connection, which it would share."""
    file = tmp_path / "migrated"
    monkeypatch.setattr(preparation, "_migrate", file.touch)
    connection.close()
    with valkey_server() as address:
        settings.CELERY_BROKER_URL = f"redis://{address}/0"
        yield file


def test_checked_database_is_migrated_and_has_a_login(migrated: Path, tmp_path: Path) -> None:
    with Preparation(tmp_path) as begun:
        begun.permit()
        login = begun.login()
    assert migrated.exists()
    assert login.startswith("admin")
    assert get_user_model().objects.filter(username="admin", is_superuser=True).exists()


def test_database_with_content_is_not_changed_when_a_check_fails(migrated: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wrong settings"), Preparation(tmp_path):
        raise ValueError("wrong settings")
    assert not migrated.exists()
    assert not get_user_model().objects.exists()


def test_empty_database_is_not_waited_for(migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "is_empty_database", lambda: True)
    with Preparation(tmp_path) as begun:
        assert begun.login().startswith("admin")
    assert migrated.exists()


def test_servers_that_cannot_be_used_are_the_error_though_the_check_has_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise CannotRun("DATABASE_URL: no server")

    monkeypatch.setattr(preparation, "_check_servers", refuse)
    with Preparation(tmp_path) as begun:
        begun._process.join()  # it has ended before it is permitted anything
        begun.permit()
        with pytest.raises(CannotRun, match="no server"):
            begun.login()


def test_fork_that_is_killed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "is_empty_database", lambda: False)
    connection.close()
    with Preparation(tmp_path) as begun:
        begun._process.kill()
        with pytest.raises(CannotRun, match="without a result"):
            begun.login()


def test_pooler_that_cannot_be_reached_is_an_error_of_its_own_variable(
    migrated: Path, tmp_path: Path, settings: Any
) -> None:
    settings.WAYPOST_POOLED_DATABASE = {**connection.settings_dict, "HOST": "127.0.0.1", "PORT": "1"}
    with Preparation(tmp_path) as begun, pytest.raises(CannotRun, match=r"^DATABASE_URL: .*port 1 failed"):
        begun.login()
    assert not migrated.exists()


def test_option_of_the_broker_that_is_not_known_is_named(migrated: Path, tmp_path: Path, settings: Any) -> None:
    settings.CELERY_BROKER_URL += "?nonsense=1"
    with Preparation(tmp_path) as begun, pytest.raises(CannotRun, match=r"REDIS_URL: an option .* 'nonsense'"):
        begun.login()
    assert not migrated.exists()
