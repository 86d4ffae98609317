"""Erasures reach the archive: objects with the subject are written anew without it, and replays send nothing of it."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from django.core.files.storage import storages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from delivery.archiving import storage, verify
from delivery.fan_out import deferred, shares
from delivery.lifecycle import archived_subject, erasures
from delivery.lifecycle.erase import erase
from delivery.lifecycle.retention import apply_retention
from delivery.models import Archive, Delivery, Erasure, Event
from delivery.operational import publish_results
from delivery.operational.pending_results import add_failure_results
from delivery.publishing.publish_receipt import publish_receipt
from delivery.publishing.publisher import publish
from delivery.replaying.replays import ReplayFilter, run_slices, start
from subscriptions.masking.keys import hash_of
from subscriptions.models import Endpoint, Tenant
from subscriptions.routing.grants import create_grant
from tests.delivery.admin.rows import operator
from tests.delivery.archiving.factories import (
    DAYS,
    archive_all,
    at,
    file_storage,
    old_delivery,
    old_event,
    replay_archive,
)
from tests.delivery.factories import make_attempt, make_dead_letter, make_delivery
from tests.delivery.jobs import erase_to_end, replay_to_end
from tests.delivery.stored_text import stored_text
from tests.factories import make_client, make_endpoint, make_event_type, make_subscription, make_tenant
from tests.factories_receiver import make_receipt, make_source
from webhooks.audit.entries import history_of
from webhooks.wire.ids import first_id_at

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("archive_folder")]

SUBJECT, SECRET = "user-1", "4111 1111 1111 1111"


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant(retention_days=DAYS)


@pytest.fixture
def endpoint(tenant: Tenant) -> Endpoint:
    found: Endpoint = make_subscription(make_endpoint(tenant)).endpoint
    return found


def about(endpoint: Endpoint, minute: float = 5, *, hour: int = 0, subject: str = SUBJECT, **changes: Any) -> Event:
    event: Event = old_delivery(
        endpoint, minute, hour=hour, subject=subject, data={"card": SECRET, "of": subject}, **changes
    ).event
    return event


def lines_of(archive_folder: Path) -> list[dict[str, Any]]:
    """Return every line of every object, with or without a row."""
    files = sorted(it for it in archive_folder.rglob("*") if it.is_file())
    return [orjson.loads(line) for it in files for line in zstandard.decompress(it.read_bytes()).splitlines()]


def archived_text(archive_folder: Path) -> str:
    return orjson.dumps(lines_of(archive_folder)).decode()


def erase_all(tenant: Tenant, subject: str = SUBJECT, **options: Any) -> Erasure:
    return erase_to_end(erasures.start(tenant, subject, by="ops", **options))


def aged(path: Path) -> Path:
    """Make a file an hour old."""
    then = (timezone.now() - timedelta(hours=1)).timestamp()
    os.utime(path, (then, then))
    return path


def publish_old(tenant: Tenant, event: dict[str, Any], moment: Any) -> None:
    """Publish events, run what follows of them, and make all that is there now as old as the moment."""
    publish(tenant, [event])
    age_all(moment)


def age_all(moment: Any) -> None:
    """Make all events, with what is below them, as old as the moment, and finished."""
    for number, event in enumerate(Event.objects.order_by("id")):
        key = first_id_at(moment + timedelta(seconds=number))
        Delivery.objects.filter(event=event).update(state="delivered", next_attempt_at=None, started_at=moment)
        deliveries = list(Delivery.objects.filter(event=event).values_list("id", flat=True))
        Event.objects.filter(about=event.id).update(about=key)
        Event.objects.filter(id=event.id).update(id=key, created_at=moment)
        Delivery.objects.filter(id__in=deliveries).update(event=key)


def assert_intact() -> None:
    """Assert that each row names an object that is what it says, and that there are no others."""
    assert [verify.fault_of(it) for it in Archive.objects.all() if verify.fault_of(it)] == []
    assert [key for it in Tenant.objects.all() for key in verify.without_row(it.id)] == []


def test_object_with_the_subject_is_written_anew_without_it(
    archive_folder: Path, tenant: Tenant, endpoint: Endpoint
) -> None:
    gone, kept = about(endpoint, 1), about(endpoint, 2, subject="user-2")
    dead = make_delivery(gone, make_endpoint(tenant), state="dead")
    make_dead_letter(dead, reason=f"cannot render {SECRET}", failed_at=at(1))
    archive_all()
    before = Archive.objects.get()
    counted = erasures.preview(tenant, SUBJECT)
    assert (counted.total, counted.archives) == (0, 1)
    row = erase_all(tenant)
    assert (row.state, row.subject, row.last_error) == ("finished", "", "")
    assert (row.archives, row.archives_searched, row.archives_rewritten, row.erased_in_archive) == (1, 1, 1, 1)
    after = Archive.objects.get()
    assert (after.id, after.begins_at, after.created_at) == (before.id, before.begins_at, before.created_at)
    assert (after.events, after.deliveries, after.types) == (2, 3, {"order.created": 2})
    assert after.key != before.key
    assert after.rewritten_at is not None
    assert after.rewritten_by == row.public_id
    assert after.bytes == (archive_folder / after.key).stat().st_size
    assert not (archive_folder / before.key).exists()
    assert_intact()
    first, second = lines_of(archive_folder)
    assert first["id"] == gone.public_id
    assert first["subject"] == first["cloudevent"]["subject"] == hash_of(tenant.id, SUBJECT)
    assert "data" not in first["cloudevent"]
    assert first["payload_deleted_by"] == f"{row.public_id} by ops"
    assert first["payload_deleted_at"].endswith("Z")
    assert {it["state"] for it in first["deliveries"]} == {"delivered", "dead"}
    assert SUBJECT not in orjson.dumps(first).decode()
    assert SECRET not in orjson.dumps(first).decode()
    assert (second["id"], second["cloudevent"]["data"]["card"]) == (kept.public_id, SECRET)


def test_replay_from_the_archive_sends_nothing_of_the_subject(
    archive_folder: Path, tenant: Tenant, endpoint: Endpoint
) -> None:
    about(endpoint, 1)
    kept = about(endpoint, 2, subject="user-2")
    archive_all()
    erase_all(tenant)
    assert replay_archive(tenant).replayed == 1
    assert Event.objects.get().id == kept.id
    assert replay_archive(tenant, subject=SUBJECT).replayed == 0


def test_objects_without_the_subject_stay_as_they_are(archive_folder: Path, tenant: Tenant, endpoint: Endpoint) -> None:
    foreign = make_endpoint(make_tenant(retention_days=DAYS))
    about(endpoint, subject="user-2")
    about(endpoint, hour=1, subject=f"{SUBJECT}0")
    about(foreign)
    archive_all()
    before = list(Archive.objects.order_by("id").values())
    row = erase_all(tenant)
    assert (row.archives_searched, row.archives_rewritten, row.erased_in_archive) == (2, 0, 0)
    assert list(Archive.objects.order_by("id").values()) == before
    assert_intact()


def test_subject_in_tables_and_in_many_objects_is_erased_everywhere(
    archive_folder: Path, tenant: Tenant, endpoint: Endpoint
) -> None:
    for hour in range(3):
        for minute in range(3):
            about(endpoint, minute, hour=hour)
    archive_all()
    publish(tenant, [{"type": "t", "subject": SUBJECT, "data": SECRET}])
    row = erase_all(tenant, rate=2)
    assert (row.total, row.erased, row.archives_rewritten, row.erased_in_archive) == (1, 1, 3, 9)
    assert SECRET not in archived_text(archive_folder) + stored_text()
    assert SUBJECT not in archived_text(archive_folder) + stored_text()
    assert_intact()


def test_second_erasure_finds_nothing_left(archive_folder: Path, tenant: Tenant, endpoint: Endpoint) -> None:
    about(endpoint)
    archive_all()
    assert erase_all(tenant).erased_in_archive == 1
    key = Archive.objects.get().key
    assert erase_all(tenant).erased_in_archive == 0
    assert Archive.objects.get().key == key


def test_later_erasure_of_another_subject_in_the_same_object_keeps_the_first_one_erased(
    archive_folder: Path, tenant: Tenant, endpoint: Endpoint
) -> None:
    about(endpoint, 1)
    about(endpoint, 2, subject="user-2")
    archive_all()
    first, second = erase_all(tenant), erase_all(tenant, "user-2")
    assert SECRET not in archived_text(archive_folder)
    assert [it["payload_deleted_by"].split()[0] for it in lines_of(archive_folder)] == [
        first.public_id,
        second.public_id,
    ]
    assert_intact()


def test_archived_event_whose_subject_is_hashed_by_a_mask_is_erased(archive_folder: Path, tenant: Tenant) -> None:
    make_event_type(tenant, name="card.stored", masks=[{"path": "$.subject", "action": "hash"}])
    publish_old(tenant, {"type": "card.stored", "subject": SUBJECT, "data": {"card": SECRET}}, at(3))
    archive_all()
    assert erase_all(tenant).erased_in_archive == 1
    assert SECRET not in archived_text(archive_folder)


def test_event_that_was_erased_by_itself_loses_its_subject_in_the_archive(
    archive_folder: Path, tenant: Tenant, endpoint: Endpoint
) -> None:
    erase(about(endpoint), "before")
    archive_all()
    assert SUBJECT in archived_text(archive_folder)
    erase_all(tenant)
    assert SUBJECT not in archived_text(archive_folder)
    assert lines_of(archive_folder)[0]["payload_deleted_by"] == "before"


def test_body_with_line_breaks_and_unicode_is_erased(archive_folder: Path, tenant: Tenant) -> None:
    subject = "Zoë \u2028 \U0001f600"
    body = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": subject, "data": SECRET}
    old_event(tenant, subject=subject, body=orjson.dumps(body, option=orjson.OPT_INDENT_2))
    archive_all()
    assert "body" in lines_of(archive_folder)[0]
    assert erase_all(tenant, subject).erased_in_archive == 1
    (line,) = lines_of(archive_folder)
    assert "body" not in line
    assert line["cloudevent"]["subject"] == hash_of(tenant.id, subject)
    assert_intact()


def test_copies_in_the_archive_of_other_tenants_are_erased(archive_folder: Path, tenant: Tenant) -> None:
    grantee = make_tenant(retention_days=DAYS)
    grant = create_grant(tenant, grantee, event_types=["order.*"])
    make_subscription(make_endpoint(grantee), event_types=["order.paid"], grant=grant)
    publish(tenant, [{"type": "order.paid", "subject": SUBJECT, "data": SECRET}])
    shares.run()
    deferred.run()
    age_all(at(7))
    own = about(make_endpoint(grantee), 9)  # the grantee's own event with the same subject is no copy
    archive_all()
    row = erase_all(tenant)
    assert (row.archives_rewritten, row.erased_in_archive) == (2, 2)
    whole = [it["id"] for it in lines_of(archive_folder) if "data" in it["cloudevent"]]
    assert whole == [own.public_id]
    assert_intact()


@pytest.mark.parametrize("has_platform", [False, True])
def test_archived_invocation_records_are_erased(archive_folder: Path, tenant: Tenant, has_platform: bool) -> None:
    if has_platform:
        make_subscription(make_endpoint(make_tenant(is_platform=True, retention_days=DAYS)), event_types=["*"])
    endpoint = make_endpoint(tenant, on_failure=make_endpoint(tenant))
    other = make_tenant(retention_days=DAYS)
    for which in (endpoint, make_endpoint(other, on_failure=make_endpoint(other))):
        event = old_event(which.tenant, subject=SUBJECT, data={"card": SECRET})
        dead = make_delivery(event, which, state="dead")
        make_dead_letter(dead, reason=f"cannot render {SECRET}", failed_at=at(5))
        make_attempt(dead, response=SECRET.encode())
        add_failure_results([dead.id])
    publish_results.run()
    records = Event.objects.filter(type="waypost.delivery.failed", tenant=tenant).count()
    assert records == 1
    age_all(at(8))
    archive_all()
    erase_all(tenant)
    left = [it for it in lines_of(archive_folder) if SECRET in orjson.dumps(it).decode()]
    assert left
    assert tenant.public_id not in orjson.dumps(left).decode()
    assert_intact()


def test_receipt_of_an_archived_event_is_erased(archive_folder: Path, tenant: Tenant) -> None:
    source = make_source(tenant_id=tenant.pk, envelope="cloudevents")
    body = {"specversion": "1.0", "id": "7", "source": "/s", "type": "t", "subject": SUBJECT, "data": SECRET}
    fields = {"content_type": "application/cloudevents+json", "due_at": None}
    receipt = make_receipt(source, body=orjson.dumps(body), message_id="7", **fields)
    publish_receipt(receipt)
    age_all(at(2))
    archive_all()
    assert erase_all(tenant).receipts == 1
    receipt.refresh_from_db()
    assert bytes(receipt.body or b"") == b""


class TestReplays:
    """Replays from the archive that run at the same time leave nothing of the subject."""

    def test_event_that_a_replay_has_restored_is_erased_with_the_object(
        self, archive_folder: Path, tenant: Tenant, endpoint: Endpoint
    ) -> None:
        about(endpoint)
        archive_all()
        row = erasures.start(tenant, SUBJECT, by="ops")
        erasures.run_slices(seconds=0)  # the tables
        row.refresh_from_db()
        assert row.is_in_archive
        replay_archive(tenant)
        assert Event.objects.get().payload_deleted_at is None
        erase_to_end(row)
        assert Event.objects.get().payload_deleted_at is not None
        assert Delivery.objects.get().state == "cancelled"
        assert SECRET not in stored_text() + archived_text(archive_folder)

    def test_replay_that_has_read_the_object_before_it_was_rewritten_reads_the_new_one(
        self, archive_folder: Path, tenant: Tenant, endpoint: Endpoint
    ) -> None:
        for minute in range(3):
            about(endpoint, minute, subject=f"user-{minute}")
        archive_all()
        replay = start(tenant, ReplayFilter(scope="archived"), rate=1, by="ops")
        run_slices()  # one of three
        erase_all(tenant, "user-1")
        replay = replay_to_end(replay)
        assert (replay.state, replay.replayed, replay.error) == ("finished", 2, "")
        assert set(Event.objects.values_list("subject", flat=True)) == {"user-0", "user-2"}

    def test_object_that_is_replaced_while_it_is_read_is_read_again(
        self, archive_folder: Path, tenant: Tenant, endpoint: Endpoint
    ) -> None:
        about(endpoint)
        archive_all()
        row = Archive.objects.get()
        erase_all(tenant)
        assert SECRET.encode() not in storage.read_object(row)
        assert row.key == Archive.objects.get().key


class TestAway:
    """While the storage is away an erasure waits, and says so."""

    @pytest.mark.parametrize("is_empty", [False, True])
    def test_erasure_waits_and_finishes_when_the_storage_is_back(
        self,
        settings: Any,
        archive_folder: Path,
        tmp_path_factory: Any,
        tenant: Tenant,
        endpoint: Endpoint,
        is_empty: bool,
    ) -> None:
        about(endpoint)
        archive_all()
        there = settings.STORAGES
        settings.STORAGES = {name: it for name, it in there.items() if name != "archive"}
        if is_empty:  # as a directory that is not mounted
            settings.STORAGES["archive"] = file_storage(tmp_path_factory.mktemp("empty"))
        row = erasures.start(tenant, SUBJECT, by="ops")
        for _ in range(3):
            erasures.run_slices()
        row.refresh_from_db()
        assert (row.state, row.last_error, row.subject) == ("running", archived_subject.AWAY, SUBJECT)
        shown = make_client(tenant).get(f"/api/v1/erasures/{row.public_id}/").json()
        assert (shown["state"], shown["finished_at"]) == ("running", None)
        assert shown["last_error"] == archived_subject.AWAY
        settings.STORAGES = there
        row = erase_to_end(row)
        assert (row.state, row.last_error, row.erased_in_archive) == ("finished", "", 1)
        assert SECRET not in archived_text(archive_folder)

    def test_object_that_is_not_what_was_written_is_waited_for(
        self, archive_folder: Path, tenant: Tenant, endpoint: Endpoint
    ) -> None:
        about(endpoint)
        archive_all()
        path = archive_folder / Archive.objects.get().key
        content = path.read_bytes()
        path.write_bytes(b"other")
        row = erasures.start(tenant, SUBJECT, by="ops")
        for _ in range(2):
            erasures.run_slices()
        row.refresh_from_db()
        assert (row.state, row.last_error) == ("running", archived_subject.CHANGED)
        path.write_bytes(content)
        assert erase_to_end(row).erased_in_archive == 1

    def test_missing_object_is_counted_and_the_others_are_searched(
        self, archive_folder: Path, tenant: Tenant, endpoint: Endpoint
    ) -> None:
        for hour in range(2):
            about(endpoint, hour=hour)
        archive_all()
        (archive_folder / Archive.objects.order_by("id").values_list("key", flat=True)[0]).unlink()
        row = erase_all(tenant)
        assert (row.state, row.archives_missing, row.archives_searched, row.erased_in_archive) == ("finished", 1, 2, 1)

    def test_waiting_erasure_can_be_cancelled(self, settings: Any, tenant: Tenant, endpoint: Endpoint) -> None:
        about(endpoint)
        archive_all()
        settings.STORAGES = {name: it for name, it in settings.STORAGES.items() if name != "archive"}
        row = erasures.start(tenant, SUBJECT, by="ops")
        erasures.run_slices()
        assert erasures.cancel(row)
        erasures.run_slices()
        row.refresh_from_db()
        assert (row.state, row.subject) == ("cancelled", "")

    def test_erasure_of_a_tenant_without_archived_hours_needs_no_storage(self, settings: Any, tenant: Tenant) -> None:
        settings.STORAGES = {name: it for name, it in settings.STORAGES.items() if name != "archive"}
        assert erase_all(tenant).state == "finished"


class TestLeftovers:
    """Objects without a row that contain the subject are deleted before an erasure has finished."""

    def left(self, archive_folder: Path, tenant: Tenant, endpoint: Endpoint) -> Path:
        """Leave an object as a process does that dies before it writes the row: its events are in the tables."""
        about(endpoint)
        archive_all()
        key = Archive.objects.get().key
        replay_archive(tenant)
        Archive.objects.all().delete()
        return aged(archive_folder / key)

    def test_object_without_a_row_is_deleted(self, archive_folder: Path, tenant: Tenant, endpoint: Endpoint) -> None:
        path = self.left(archive_folder, tenant, endpoint)
        row = erase_all(tenant)
        assert (row.state, row.erased) == ("finished", 1)
        assert not path.exists()

    def test_object_without_a_row_of_other_subjects_stays(
        self, archive_folder: Path, tenant: Tenant, endpoint: Endpoint
    ) -> None:
        path = self.left(archive_folder, tenant, endpoint)
        assert erase_all(tenant, "user-2").state == "finished"
        assert path.exists()

    @pytest.mark.parametrize("length", [50, None])
    def test_object_or_part_of_one_is_waited_for_while_it_may_get_its_row(
        self, archive_folder: Path, tenant: Tenant, endpoint: Endpoint, length: int | None
    ) -> None:
        path = self.left(archive_folder, tenant, endpoint)
        path.write_bytes(path.read_bytes()[:length])
        row = erasures.start(tenant, SUBJECT, by="ops")
        for _ in range(3):
            erasures.run_slices()
        row.refresh_from_db()
        assert (row.state, row.last_error) == ("running", archived_subject.UNSETTLED)
        aged(path)
        assert erase_to_end(row).state == "finished"
        assert not path.exists()

    def test_old_object_that_could_not_be_deleted_is_deleted_at_the_end(
        self, archive_folder: Path, tenant: Tenant, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        about(endpoint)
        archive_all()
        path = aged(archive_folder / Archive.objects.get().key)

        def fails(name: str) -> None:
            raise OSError("Permission denied")

        row = erasures.start(tenant, SUBJECT, by="ops")
        with monkeypatch.context() as patch:
            patch.setattr(storages["archive"], "delete", fails)
            for _ in range(3):
                erasures.run_slices()
        row.refresh_from_db()
        assert (row.state, row.archives_rewritten, path.exists()) == ("running", 1, True)
        assert erase_to_end(row).state == "finished"
        assert not path.exists()


def test_each_object_that_is_written_anew_has_an_entry_in_the_audit(
    archive_folder: Path, tenant: Tenant, endpoint: Endpoint
) -> None:
    about(endpoint)
    archive_all()
    old = Archive.objects.get()
    assert not history_of(old).exists()
    row = erase_all(tenant)
    entry = history_of(old).get()
    assert (entry.action, entry.tenant_id, entry.object_type) == ("changed", tenant.pk, "archive")
    assert entry.before is not None
    assert entry.after is not None
    assert (entry.before["key"], entry.after["rewritten_by"]) == (old.key, row.public_id)
    assert {it.action for it in history_of(row)} == {"created", "changed"}
    assert all("archives_searched" not in (it.after or {}) for it in history_of(row))
    assert SUBJECT not in str([(it.before, it.after) for it in [entry, *history_of(row)]])


def test_pages_show_the_progress_and_why_an_erasure_waits(
    settings: Any, archive_folder: Path, tenant: Tenant, endpoint: Endpoint
) -> None:
    about(endpoint)
    archive_all()
    client: Client = operator("erase_event")
    fields = {"tenant": tenant.public_id, "subject": SUBJECT, "rate": "10"}
    counted = client.post(reverse("admin:delivery_erasure_add"), fields).content.decode()
    assert "1 archived object will be searched" in counted
    there = settings.STORAGES
    settings.STORAGES = {name: it for name, it in there.items() if name != "archive"}
    row = erasures.start(tenant, SUBJECT, by="ops")
    erasures.run_slices()
    path = reverse("admin:delivery_erasure_change", args=[row.pk])
    assert archived_subject.AWAY in client.get(path).content.decode()
    settings.STORAGES = there
    erase_to_end(row)
    page = client.get(path).content.decode()
    assert archived_subject.AWAY not in page
    assert "1 of 1 objects searched, 1 written anew" in page
    archive = Archive.objects.get()
    assert row.public_id in client.get(reverse("admin:delivery_archive_change", args=[archive.pk])).content.decode()
    shown = make_client(tenant).get(f"/api/v1/archives/{archive.public_id}/").json()
    assert shown["rewritten_at"] is not None


@pytest.mark.parametrize("change", [lambda it: erase(it, "ops"), lambda it: it.delete()])
def test_object_whose_events_were_erased_while_it_was_written_is_deleted(
    archive_folder: Path,
    tenant: Tenant,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Event], Any],
) -> None:
    event = old_event(tenant, subject=SUBJECT, data={"card": SECRET})
    write = storage.write_object

    def then_change(*arguments: Any) -> str:
        key = write(*arguments)
        change(event)
        return key

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_object", then_change)
        apply_retention()
    assert lines_of(archive_folder) == []
    assert not Archive.objects.exists()


def test_object_that_another_erasure_has_overtaken_is_deleted(
    archive_folder: Path, tenant: Tenant, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    about(endpoint, 1)
    about(endpoint, 2, subject="user-2")
    archive_all()
    write = storage.write_object
    others: list[Erasure] = []

    def after_another(*arguments: Any) -> str:
        if not others:
            others.append(erasures.start(tenant, "user-2", by="another"))
            Erasure.objects.filter(id=row.id).update(state="cancelled")  # this process is slow
            erase_to_end(others[0])
            Erasure.objects.filter(id=row.id).update(state="running")
        return write(*arguments)

    row = erasures.start(tenant, SUBJECT, by="ops")
    Erasure.objects.update(is_in_archive=True)
    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_object", after_another)
        archived_subject.prepare(row)
    assert len(lines_of(archive_folder)) == 4  # its object has the data of user-2, which is erased
    assert erase_to_end(row).state == "finished"
    assert SECRET not in archived_text(archive_folder)
    assert_intact()
