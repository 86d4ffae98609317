"""The command `rollback`: back to the migrations of the version before, or why not."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from config.upgrade.models import InstalledVersion
from delivery.load.heartbeats import HeartbeatWriter
from delivery.load.roles import DRAIN
from tests.config.upgrade.conftest import PRICE, Shop

ONE_WAY = "migrations.RunSQL(\"UPDATE shop_item SET name = ''\")"


def run(command: str, *words: str) -> str:
    output = StringIO()
    call_command(command, *words, stdout=output, no_color=True)
    return output.getvalue()


def refused(*words: str) -> str:
    output = StringIO()
    with pytest.raises(CommandError, match="nothing was changed"):
        call_command("rollback", *words, stdout=output, no_color=True)
    return output.getvalue()


@pytest.fixture
def upgraded(shop: Shop) -> Shop:
    """Return the app after two upgrades: with a table, and then with a column."""
    run("upgrade", "--no-backup")
    shop.add("0002_price", PRICE)
    run("upgrade", "--no-backup")
    assert shop.columns() == {"id", "name", "price"}
    return shop


def test_rollback_returns_to_the_migrations_of_the_version_before(upgraded: Shop) -> None:
    assert "shop.0002_price" in run("rollback", "--plan")
    assert upgraded.columns() == {"id", "name", "price"}
    run("rollback")
    assert upgraded.columns() == {"id", "name"}
    assert upgraded.applied() == ["0001_initial"]
    assert InstalledVersion.objects.latest("id").rolled_back_at is not None


def test_upgrade_after_a_rollback_applies_the_same_again(upgraded: Shop) -> None:
    run("rollback")
    run("upgrade", "--no-backup")
    assert upgraded.columns() == {"id", "name", "price"}
    run("rollback")
    assert upgraded.applied() == ["0001_initial"]


def test_rollback_twice_returns_to_the_first_record(upgraded: Shop) -> None:
    run("rollback")
    run("rollback")
    assert upgraded.columns() == set()
    with pytest.raises(CommandError, match="no record of a version before"):
        run("rollback")


def test_rollback_keeps_what_was_written_into_new_columns_unless_it_is_given_up(upgraded: Shop) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO shop_item (name, price) VALUES ('hat', 1)")
    assert "column price of shop_item, which has content" in refused()
    assert upgraded.columns() == {"id", "name", "price"}
    run("rollback", "--discard")
    assert upgraded.columns() == {"id", "name"}


def test_migration_without_a_way_back_is_named_with_the_command_that_restores(shop: Shop, tmp_path: Path) -> None:
    run("upgrade", "--no-backup")
    shop.add("0002_emptied", ONE_WAY)
    run("upgrade", "--backup", str(tmp_path / "backup"))
    output = refused()
    assert "shop.0002_emptied cannot be taken back" in output
    assert f"waypost-server restore {tmp_path / 'backup'}" in output
    assert shop.applied() == ["0001_initial", "0002_emptied"]


def test_rollback_waits_until_the_programs_are_stopped(upgraded: Shop) -> None:
    heartbeat = HeartbeatWriter(DRAIN, "deliver")
    heartbeat.write()
    assert "programs run that may use" in refused()
    heartbeat.stop()
    run("rollback")
    assert upgraded.columns() == {"id", "name"}


def test_rollback_by_the_version_before_says_that_it_does_not_know_the_migration(upgraded: Shop) -> None:
    upgraded.remove("0002_price")
    assert "does not know shop.0002_price" in refused()
