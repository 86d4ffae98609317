"""Verifying finds objects that are not what was written, and objects that a crash left without a row."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from delivery.archiving import storage, verify
from delivery.lifecycle.retention import apply_retention
from delivery.models import Archive
from subscriptions.models import Tenant
from tests.delivery.archiving.factories import DAYS, at, old_event
from tests.factories import make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant(retention_days=DAYS)


def aged(path: Path) -> None:
    then = (timezone.now() - timedelta(days=2)).timestamp()
    os.utime(path, (then, then))


def test_verify_names_the_object_that_changed(archive_folder: Path, tenant: Tenant) -> None:
    old_event(tenant)
    apply_retention()
    row = Archive.objects.get()
    assert verify.fault_of(row) == ""
    content = (archive_folder / row.key).read_bytes()
    (archive_folder / row.key).write_bytes(content[:-1] + b"\0")
    assert verify.fault_of(row).startswith(f"{row.key} has changed since it was written: its SHA-256 is ")
    (archive_folder / row.key).unlink()
    assert verify.fault_of(row) == f"{row.key} is missing from the storage of the archive"


def test_verify_compares_the_number_of_events(archive_folder: Path, tenant: Tenant) -> None:
    old_event(tenant)
    apply_retention()
    row = Archive.objects.get()
    row.events = 2
    assert verify.fault_of(row) == f"{row.key} has 1 events, and its row says 2"


def test_orphans_are_old_objects_without_a_row(archive_folder: Path, tenant: Tenant) -> None:
    old_event(tenant)
    apply_retention()
    left, young = (storage.write_object(tenant.id, at(), content) for content in (b"left", b"young"))
    for key in (left, Archive.objects.get().key):
        aged(archive_folder / key)
    assert list(verify.orphans(tenant.id)) == [left]
    verify.remove_orphan(left)
    assert list(verify.orphans(tenant.id)) == []
    assert (archive_folder / young).exists()
    assert list(verify.orphans(make_tenant().id)) == []


def test_archives_of_a_period_are_those_whose_hours_overlap_it(archive_folder: Path, tenant: Tenant) -> None:
    for hour in range(3):
        old_event(tenant, hour=hour)
    old_event(make_tenant(retention_days=DAYS))
    apply_retention()
    found = verify.archives(tenant.id, since=at(59, hour=1), until=at(0, hour=2))
    assert [it.begins_at for it in found] == [at(0, hour=1)]
    assert [it.begins_at for it in verify.archives(tenant.id)] == [at(0, hour=hour) for hour in range(3)]
    assert verify.archives(None).count() == 4
