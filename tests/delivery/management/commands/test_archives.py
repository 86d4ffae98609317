"""Test ``manage.py archives``: it lists the archived hours, and fails if an object is not what was written."""

import io
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from delivery.archiving import storage
from delivery.lifecycle.retention import apply_retention
from delivery.models import Archive
from subscriptions.models import Tenant
from tests.delivery.archiving.factories import DAYS, at, old_event
from tests.factories import make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant(uid="acme", retention_days=DAYS)


def run(*arguments: str) -> tuple[str, str]:
    out, errors = io.StringIO(), io.StringIO()
    call_command("archives", *arguments, stdout=out, stderr=errors)
    return out.getvalue(), errors.getvalue()


def test_list_shows_the_hours_of_a_tenant(archive_folder: Path, tenant: Tenant) -> None:
    old_event(tenant)
    old_event(tenant, hour=1)
    old_event(make_tenant(retention_days=DAYS))
    apply_retention()
    lines = run("list", "--tenant", "acme")[0].splitlines()
    assert [line.split()[0] for line in lines] == [f"{at():%Y-%m-%dT%HZ}", f"{at(hour=1):%Y-%m-%dT%HZ}"]
    row = Archive.objects.filter(tenant=tenant).order_by("id").first()
    assert row is not None
    assert lines[0].split()[1:4] == [tenant.public_id, "1", "events"]
    assert lines[0].split()[-2:] == [row.sha256, row.key]
    assert len(run("list")[0].splitlines()) == 3
    assert run("list", "--until", f"{at():%Y-%m-%dT%H:%M}")[0] == ""


def test_verify_says_that_all_objects_are_what_was_written(archive_folder: Path, tenant: Tenant) -> None:
    old_event(tenant)
    apply_retention()
    assert run("verify") == ("1 objects are what was written.\n", "")


def test_verify_fails_and_names_a_changed_object(archive_folder: Path, tenant: Tenant) -> None:
    old_event(tenant)
    old_event(tenant, hour=1)
    apply_retention()
    key = Archive.objects.order_by("id").values_list("key", flat=True)[0]
    (archive_folder / key).write_bytes(b"other")
    errors = io.StringIO()
    with pytest.raises(CommandError, match="1 of 2 objects"):
        call_command("archives", "verify", stdout=io.StringIO(), stderr=errors)
    assert errors.getvalue().startswith(f"{key} has changed")


def test_verify_removes_orphans_only_when_told(archive_folder: Path, tenant: Tenant) -> None:
    key = storage.write_object(tenant.id, at(), b"left")
    then = (timezone.now() - timedelta(days=2)).timestamp()
    os.utime(archive_folder / key, (then, then))
    assert f"{key} has no row\n" in run("verify", "--tenant", "acme")[0]
    assert f"{key} has no row: deleted\n" in run("verify", "--remove-orphans")[0]
    assert not (archive_folder / key).exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--tenant", "unknown"], "--tenant"),
        (["--since", "yesterday"], "--since"),
        (["--until", "2030-13-01"], "--until"),
    ],
)
def test_bad_arguments_are_named(archive_folder: Path, arguments: list[str], reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        run("list", *arguments)


def test_without_an_archive_the_command_says_how_to_set_one_up() -> None:
    with pytest.raises(CommandError, match="WAYPOST_ARCHIVE_URL"):
        run("list")
