"""The archive in the admin: its hours, and the way to a replay from it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from delivery.lifecycle.retention import apply_retention
from delivery.models import Archive, ArchiveStatus, Replay
from subscriptions.models import Tenant
from tests.delivery.admin.rows import operator
from tests.delivery.archiving.factories import DAYS, old_event
from tests.delivery.jobs import replay_to_end
from tests.factories import make_endpoint, make_subscription, make_tenant

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("archive_folder")]

LIST = "admin:delivery_archive_changelist"
PAGE = "admin:delivery_event_replay"


@pytest.fixture
def tenant() -> Tenant:
    tenant = make_tenant(retention_days=DAYS)
    make_subscription(make_endpoint(tenant))
    old_event(tenant)
    apply_retention()
    return tenant


def test_list_says_that_the_archive_cannot_be_written_and_why() -> None:
    client = operator("view_archive")
    assert "cannot be written" not in client.get(reverse(LIST)).content.decode()
    since = datetime(2030, 1, 31, 12, tzinfo=UTC)
    ArchiveStatus.objects.create(ran_at=since, failing_since=since, error="no <route>", due_since=since)
    shown = client.get(reverse(LIST)).content.decode()
    assert "The archive cannot be written since" in shown
    assert "no &lt;route&gt;" in shown


def test_list_leads_to_a_replay_of_the_tenant_and_period(tenant: Tenant) -> None:
    row = Archive.objects.get()
    client = operator("view_archive", "add_replay", "view_replay")
    page = client.get(reverse(LIST)).content.decode()
    assert row.public_id in page
    assert "Filter by a tenant" in page
    day = f"{row.begins_at:%Y-%m-%d}"
    given = {"tenant__id__exact": str(tenant.pk), "begins_at_from_0": day, "begins_at_to_0": day}
    listed = client.get(reverse(LIST), given)
    assert row.public_id in listed.content.decode()
    path = f"{reverse(PAGE)}?{listed.context['replay_query']}"
    assert client.get(path).context["total"] == 1
    made = client.post(path, {"rate": "10"})
    replay = Replay.objects.get()
    assert made["Location"] == reverse("admin:delivery_replay_change", args=[replay.pk])
    assert (replay.scope, replay.total) == ("archived", 1)
    assert {*replay.filter} == {"since", "until"}


def test_page_of_an_hour_shows_key_digest_and_types(tenant: Tenant) -> None:
    row = Archive.objects.get()
    page = operator("view_archive").get(reverse("admin:delivery_archive_change", args=[row.pk])).content.decode()
    assert all(text in page for text in (row.key, row.sha256, "order.created (1)", tenant.name))


def test_list_without_an_archive_says_how_to_set_one_up(settings: Any) -> None:
    settings.STORAGES = {name: it for name, it in settings.STORAGES.items() if name != "archive"}
    assert "WAYPOST_ARCHIVE_URL" in operator("view_archive").get(reverse(LIST)).content.decode()


def test_page_of_a_replay_shows_why_it_ended(archive_folder: Path, tenant: Tenant) -> None:
    client = operator("view_archive", "add_replay", "view_replay")
    client.post(f"{reverse(PAGE)}?tenant={tenant.public_id}&scope=archived&type=order.created", {"rate": "10"})
    (archive_folder / Archive.objects.get().key).unlink()
    replay = replay_to_end(Replay.objects.get())
    page = client.get(reverse("admin:delivery_replay_change", args=[replay.pk])).content.decode()
    assert "is missing from the storage of the archive" in page
