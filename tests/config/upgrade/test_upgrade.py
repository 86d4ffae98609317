"""The command `upgrade`: what it refuses, how it waits, and that it can be run again."""

import threading
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from config.upgrade import run
from config.upgrade.apply import CannotApply
from config.upgrade.models import InstalledVersion
from config.upgrade.pending import pending_migrations
from delivery.load.heartbeats import HeartbeatWriter
from delivery.load.roles import DRAIN
from tests.config.upgrade.conftest import INDEX, PRICE, Shop
from tests.database_url import database_url
from tests.docs.inventory import block_for
from webhooks.version import VERSION

OFFLINE = "offline = 'both versions would write prices'"


def upgrade(*words: str) -> str:
    output = StringIO()
    call_command("upgrade", *words, stdout=output, no_color=True)
    return output.getvalue()


def test_plan_shows_each_migration_and_changes_nothing(shop: Shop) -> None:
    output = upgrade("--plan")
    assert "migrations to apply: 1" in output
    assert "shop.0001_initial: programs may run" in output
    assert shop.columns() == set()
    assert not InstalledVersion.objects.exists()


def test_upgrade_needs_to_know_about_the_backup(shop: Shop) -> None:
    with pytest.raises(CommandError, match="--backup DIRECTORY, or --no-backup"):
        upgrade()
    assert shop.columns() == set()


def test_upgrade_backs_up_migrates_and_records_the_version(shop: Shop, tmp_path: Path) -> None:
    output = upgrade("--backup", str(tmp_path / "backup"))
    assert "1 of 1: shop.0001_initial" in output
    assert (tmp_path / "backup" / "database.dump").stat().st_size > 0
    assert shop.columns() == {"id", "name"}
    before, now = InstalledVersion.objects.order_by("id")
    assert (before.version, before.migrations.get("shop")) == ("", None)
    assert (now.version, now.migrations["shop"], now.backup) == (VERSION, "0001_initial", str(tmp_path / "backup"))
    assert now.installed_at is not None


def test_upgrade_without_migrations_needs_no_backup_and_records_nothing(shop: Shop) -> None:
    upgrade("--no-backup")
    records = InstalledVersion.objects.count()
    assert "migrations to apply: none" in upgrade()
    assert InstalledVersion.objects.count() == records


def test_version_without_migrations_is_recorded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade("--no-backup")
    monkeypatch.setattr("config.upgrade.versions.VERSION", "99.0.0")
    upgrade()
    newest, before = InstalledVersion.objects.order_by("-id")[:2]
    assert (newest.version, newest.migrations) == ("99.0.0", before.migrations)


def test_directory_of_the_backup_that_exists_is_refused(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nothing was changed"):
        upgrade("--backup", str(tmp_path))
    assert shop.applied() == []


def test_migration_waits_for_a_transaction_and_nothing_waits_behind_it(shop: Shop) -> None:
    upgrade("--no-backup")
    shop.add("0002_price", PRICE)
    lines: list[str] = []
    with psycopg.connect(database_url()) as holder, psycopg.connect(database_url(), autocommit=True) as reader:
        holder.execute("SELECT FROM shop_item")  # holds a lock on the table until it commits
        pid = holder.info.backend_pid

        def report(line: str) -> None:
            lines.append(line)
            if "tried again" in line:
                reader.execute("SELECT FROM shop_item")  # would wait if the migration still waited for its lock
                holder.commit()

        run.upgrade(run.Options(), report)
    assert shop.columns() == {"id", "name", "price"}
    (waited,) = [it for it in lines if "tried again" in it]
    assert f"pid {pid} " in waited


def test_migration_that_gets_no_lock_changes_nothing_and_names_who_holds_it(shop: Shop) -> None:
    upgrade("--no-backup")
    shop.add("0002_price", PRICE)
    with psycopg.connect(database_url()) as holder:
        holder.execute("SELECT FROM shop_item")
        with pytest.raises(CannotApply, match=f"pid {holder.info.backend_pid} "):
            run.upgrade(run.Options(patience=0.0), lambda _line: None)
    assert shop.columns() == {"id", "name"}
    assert InstalledVersion.objects.latest("id").installed_at is None
    upgrade("--no-backup")
    assert shop.columns() == {"id", "name", "price"}
    assert InstalledVersion.objects.filter(installed_at=None).count() == 0


def test_index_that_was_built_halfway_is_built_anew(shop: Shop) -> None:
    upgrade("--no-backup")
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX item_name ON shop_item (name)")
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'item_name'::regclass")
    shop.add("0002_index", INDEX, "atomic = False")
    upgrade("--no-backup")
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'item_name'::regclass")
        assert cursor.fetchall() == [(True,)]


def test_upgrade_that_failed_halfway_goes_on_where_it_ended(shop: Shop) -> None:
    upgrade("--no-backup")
    shop.add("0002_price", PRICE)
    shop.add("0003_broken", "migrations.RunSQL('SELECT nonsense', migrations.RunSQL.noop)")
    with pytest.raises(Exception, match="nonsense"):
        upgrade("--no-backup")
    assert shop.applied() == ["0001_initial", "0002_price"]
    shop.remove("0003_broken")
    shop.add("0003_mended", "migrations.RunSQL('SELECT 1', migrations.RunSQL.noop)")
    assert "was interrupted" in upgrade("--no-backup")
    newest, before = InstalledVersion.objects.order_by("-id")[:2]
    assert (newest.migrations["shop"], before.migrations["shop"]) == ("0003_mended", "0001_initial")


def test_migration_that_needs_the_programs_stopped_waits_until_they_are(shop: Shop) -> None:
    upgrade("--no-backup")
    shop.add("0002_price", PRICE, OFFLINE)
    heartbeat = HeartbeatWriter(DRAIN, "deliver")
    heartbeat.write()
    with pytest.raises(CommandError, match="nothing was changed"):
        upgrade("--no-backup")
    assert "both versions would write prices" in run.migrate_at_start(lambda _line: None)
    assert shop.columns() == {"id", "name"}
    heartbeat.stop()
    assert "all programs have to be stopped" in upgrade("--no-backup")
    assert shop.columns() == {"id", "name", "price"}


@pytest.mark.parametrize(("rows", "offline"), [(100, False), (5_000_000, True)])
def test_index_of_a_large_table_needs_the_programs_stopped(shop: Shop, rows: int, offline: bool) -> None:
    upgrade("--no-backup")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_class SET reltuples = %s WHERE relname = 'shop_item'", [rows])
    shop.add("0002_index", INDEX.replace("AddIndexConcurrently", "migrations.AddIndex"))
    (found,) = pending_migrations()
    assert bool(found.offline) is offline


def test_database_of_a_newer_version_is_not_changed(shop: Shop) -> None:
    upgrade("--no-backup")
    shop.add("0002_price", PRICE)
    upgrade("--no-backup")
    shop.remove("0002_price")
    output = StringIO()
    with pytest.raises(CommandError, match="nothing was changed"):
        call_command("upgrade", "--no-backup", stdout=output, no_color=True)
    assert "does not know: shop.0002_price" in output.getvalue()


def test_second_upgrade_waits_for_the_first(shop: Shop) -> None:
    lines: list[str] = []
    is_waiting = threading.Event()

    def report(line: str) -> None:
        lines.append(line)
        is_waiting.set()

    def second() -> None:
        run.upgrade(run.Options(), report)
        connection.close()

    with run.exclusively(report):
        thread = threading.Thread(target=second)
        thread.start()
        is_waiting.wait()
        assert shop.applied() == []
    thread.join()
    assert "another process upgrades this database" in lines[0]
    assert shop.applied() == ["0001_initial"]


def test_platform_migrates_at_its_start(shop: Shop) -> None:
    assert run.migrate_at_start(lambda _line: None) == ""
    assert shop.applied() == ["0001_initial"]


def test_roles_get_the_permissions_of_new_tables(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[Any] = []
    monkeypatch.setattr("config.access.roles.make_roles", lambda: plans.append("made"))
    upgrade("--no-backup")
    assert plans == ["made"]


def test_migration_of_the_guide_may_run_beside_old_code(shop: Shop) -> None:
    upgrade("--no-backup")
    text = block_for("migration").text.replace("UPDATE ...", "UPDATE shop_item SET name = ''")
    (shop.folder / "0002_guide.py").write_text(
        f"from django.db import migrations\n\n{text}    dependencies = [('shop', '0001_initial')]\n"
    )
    (found,) = pending_migrations()
    assert (found.offline, found.irreversible) == ("", ())
    assert "only the new version reads" in upgrade("--no-backup")
    assert shop.applied() == ["0001_initial", "0002_guide"]
