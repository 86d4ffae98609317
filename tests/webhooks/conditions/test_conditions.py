"""Test where the receiver's conditions hold, for the owner's sources only."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.factories import make_tenant
from tests.factories_receiver import make_receipt, make_source
from tests.pki import Authority
from webhooks.conditions import CONDITIONS
from webhooks.conditions.source_expiring import LATEST, WITH_CERTIFICATES
from webhooks.kit import sql
from webhooks.kit.conditions.condition import Finding, Question
from webhooks.kit.kinds.setting import InvalidSettings, check_settings
from webhooks.kit.sql import database_now
from webhooks.models import Source, SourceHour, SourcePartition, SourceSecret
from webhooks.sources.connections import encrypted
from webhooks.sources.kinds.registry import list_kinds
from webhooks.sources.secret_rotation import add_secret
from webhooks.wire.signing.keys import new_secret

pytestmark = pytest.mark.django_db
BY_NAME = {it.name: it for it in CONDITIONS}


def question(name: str, tenant_id: UUID | None, since_hours: float = 48, **given: Any) -> Question:
    settings, _ = check_settings(BY_NAME[name].settings, given, {})
    now = database_now()
    return Question(tenant_id, settings, now, now - timedelta(hours=since_hours))


def ask(name: str, tenant_id: UUID | None, **given: Any) -> list[Finding]:
    condition = BY_NAME[name]
    found = condition.find(question(name, tenant_id, **given))
    if found and condition.may_hold:
        assert sql.run(f"SELECT {condition.may_hold}", {}) == [(True,)], name
    return found


def subjects(findings: list[Finding]) -> list[str]:
    return [it.subject for it in findings]


@pytest.fixture
def source() -> Source:
    source = make_source(tenant_id=make_tenant().pk)
    Source.objects.filter(pk=source.pk).update(created_at=database_now() - timedelta(days=3))
    source.refresh_from_db()
    return source


def this_hour() -> datetime:
    return database_now().replace(minute=0, second=0, microsecond=0)


def make_partition(source: Source, **fields: Any) -> SourcePartition:
    return SourcePartition.objects.create(source=source, owner=source.tenant_id or source.pk, **fields)


def test_each_condition_finds_nothing_of_another_tenant(source: Source) -> None:
    make_receipt(source, dead_at=database_now(), due_at=None)
    make_partition(source, failing_since=database_now(), lag_records=10**6, warning="full")
    SourceHour.objects.create(source=source, starts_at=this_hour(), rejected=1_000, dead=1)
    for name in BY_NAME:
        assert ask(name, make_tenant().pk) == [], name


def test_source_without_a_message_is_silent_and_with_one_is_not(source: Source) -> None:
    assert subjects(ask("source_silent", source.tenant_id, minutes=60)) == [source.public_id]
    assert ask("source_silent", source.tenant_id, minutes=60, since_hours=0.5) == []
    make_receipt(source)
    assert ask("source_silent", source.tenant_id, minutes=60) == []


def test_silent_hours_of_the_past_are_those_without_a_message(source: Source) -> None:
    condition, until = BY_NAME["source_silent"], this_hour()
    SourceHour.objects.create(source=source, starts_at=until - timedelta(hours=2), received=5)
    assert condition.past is not None
    found = condition.past(question("source_silent", source.tenant_id), until - timedelta(hours=3), until)
    assert [until - it.begins_at for it in found] == [timedelta(hours=3), timedelta(hours=1)]


def test_rejections_of_this_hour_and_the_one_before_are_added(source: Source) -> None:
    for hours, rejected in ((0, 30), (1, 30), (2, 1_000)):
        starts_at = this_hour() - timedelta(hours=hours)
        SourceHour.objects.create(source=source, starts_at=starts_at, rejected=rejected)
    (found,) = ask("rejections", source.tenant_id, above=50)
    assert (found.subject, found.value) == (source.public_id, 60)
    assert ask("rejections", source.tenant_id, above=60) == []


@pytest.mark.parametrize("minutes", [None, 15])
def test_dead_receipts_are_counted_by_source(source: Source, minutes: int | None) -> None:
    make_receipt(source, dead_at=database_now(), due_at=None)
    SourceHour.objects.create(source=source, starts_at=this_hour(), dead=1)
    given = {} if minutes is None else {"minutes": minutes}
    assert [it.value for it in ask("dead_receipts", source.tenant_id, above=0, **given)] == [1]
    assert ask("dead_receipts", source.tenant_id, above=1, **given) == []


def test_source_that_cannot_be_read_is_found_since_the_first_failure(source: Source) -> None:
    since = database_now() - timedelta(minutes=9)
    make_partition(source, name="0", failing_since=since, last_error="Access denied.", failures=3)
    make_partition(source, name="1", failing_since=since + timedelta(minutes=1), failures=2)
    (found,) = ask("source_failing", source.tenant_id)
    assert (found.subject, found.since) == (source.public_id, since)
    assert found.message.endswith("Access denied.")


def test_paused_source_is_not_looked_at(source: Source) -> None:
    make_partition(source, failing_since=database_now(), warning="full", lag_records=10**6)
    Source.objects.filter(pk=source.pk).update(paused_at=database_now())
    assert all(ask(name, source.tenant_id) == [] for name in ("source_failing", "source_warning", "source_lag"))


def test_source_that_is_behind_by_records_or_seconds_is_found(source: Source) -> None:
    make_partition(source, name="0", lag_records=500, lag_seconds=400.0)
    assert [it.value for it in ask("source_lag", source.tenant_id, above_seconds=300)] == [400.0]
    assert len(ask("source_lag", source.tenant_id, above_records=100, above_seconds=1_000)) == 1
    assert ask("source_lag", source.tenant_id, above_records=500, above_seconds=400) == []


def test_source_that_holds_back_wal_or_warns_is_found(source: Source) -> None:
    partition = make_partition(source, lag_bytes=3 * 1024**3)
    (found,) = ask("source_warning", source.tenant_id, above_mib=1_024)
    assert found.message == "The other system keeps 3,072 MiB for it; the limit is 1,024 MiB."
    assert ask("source_warning", source.tenant_id, above_mib=4_096) == []
    SourcePartition.objects.filter(pk=partition.pk).update(warning="The slot is lost soon.")
    assert [it.message for it in ask("source_warning", source.tenant_id, above_mib=4_096)] == ["The slot is lost soon."]


def test_unknown_source_in_the_settings_is_refused(source: Source) -> None:
    condition = BY_NAME["source_lag"]
    assert condition.check is not None
    condition.check(question("source_lag", source.tenant_id, source=source.public_id))
    with pytest.raises(InvalidSettings, match="No source"):
        condition.check(question("source_lag", make_tenant().pk, source=source.public_id))


class TestSourceExpiring:
    """Secrets and certificates of sources that end."""

    def test_secret_without_one_that_lasts_longer_is_found(self, source: Source) -> None:
        secret = let_end(source, days=10)
        (found,) = ask("source_expiring", source.tenant_id)
        assert (found.subject, found.step) == (f"{source.public_id}/{secret.public_id}", 2)
        assert "No other secret lasts longer" in found.message
        assert subjects(ask("source_expiring", None)) == [found.subject]
        assert ask("source_expiring", source.tenant_id, days=5) == []

    def test_replaced_secret_is_found_while_the_sender_signs_with_it(self, source: Source) -> None:
        old = source.secrets.get()
        new = add_secret(source, new_secret(), overlap=2 * 86_400)
        assert ask("source_expiring", source.tenant_id) == []
        make_receipt(source, secret_id=old.pk)
        (found,) = ask("source_expiring", source.tenant_id)
        assert (found.subject, found.step) == (f"{source.public_id}/{old.public_id}", 3)
        assert "still signs with it" in found.message
        for _ in range(LATEST):
            make_receipt(source, secret_id=new.pk)
        assert ask("source_expiring", source.tenant_id) == []

    def test_secret_of_another_purpose_replaces_none(self, source: Source) -> None:
        let_end(source, days=10)
        add_secret(source, new_secret(), name="test")
        assert len(ask("source_expiring", source.tenant_id)) == 1

    def test_secret_that_has_ended_and_one_of_a_deleted_source_are_not_found(self, source: Source) -> None:
        let_end(source, days=-1)
        assert ask("source_expiring", source.tenant_id) == []
        let_end(source, days=1)
        Source.objects.filter(pk=source.pk).update(deleted_at=database_now())
        assert ask("source_expiring", source.tenant_id) == []

    def test_certificate_among_the_credentials_is_found(self, source: Source) -> None:
        pem = Authority().issue(until=datetime.now(UTC) + timedelta(days=20)).pem
        credentials = encrypted({"client_certificate": pem, "password": "p"})
        Source.objects.filter(pk=source.pk).update(kind="kafka", credentials=credentials)
        (found,) = ask("source_expiring", source.tenant_id, source=source.public_id)
        assert (found.subject, found.step) == (f"{source.public_id}/client_certificate", 1)
        Source.objects.filter(pk=source.pk).update(credentials=b"lost")
        assert ask("source_expiring", source.tenant_id) == []

    def test_kinds_with_certificates_are_those_that_declare_some(self) -> None:
        declared = {kind.name for kind in list_kinds() if any("certificate" in it.name for it in kind.settings)}
        assert declared == set(WITH_CERTIFICATES)


def let_end(source: Source, days: float) -> SourceSecret:
    """Let the secret of a source end in so many days."""
    source.secrets.update(expires_at=database_now() + timedelta(days=days))
    return source.secrets.get()
