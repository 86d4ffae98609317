"""Test the entries that triggers write: of which tables, with which values, in whose name."""

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from subscriptions.models import Endpoint, SigningSecret, Tenant
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_client, make_endpoint, make_key, make_tenant
from tests.factories_receiver import SECRET, make_source
from webhooks.audit.entries import history_of
from webhooks.audit.models import AuditEntry
from webhooks.audit.retention import delete_expired_entries
from webhooks.kit.audit.operation import Operation, running
from webhooks.wire.ids import first_id_at

pytestmark = pytest.mark.django_db

NO_WRITES_OF_PEOPLE = {  # counted, measured, derived or stored by the system, or its own work
    *(
        "webhooks_auditentry",
        "webhooks_keylooks",
        "webhooks_encryptionkey",
        "webhooks_sourcehour",
        "webhooks_latestsequence",
    ),
    *("webhooks_slowsource", "webhooks_rejection", "subscriptions_storedresponse", "subscriptions_oauthtoken"),
    *("delivery_alertmessage", "delivery_pendingshare", "delivery_hourlystats", "delivery_lane"),
    *(
        "delivery_drainreport",
        "delivery_heartbeat",
        "delivery_publisherreport",
        "delivery_loadminute",
        "delivery_pendingresult",
    ),
    *("delivery_schedulequeue", "delivery_usageincrement", "delivery_usage", "delivery_deferredfanout"),
    *("delivery_attempt", "delivery_eventvalue", "delivery_backlog", "delivery_figures"),
    *("delivery_usagehour", "delivery_deliveryhour", "delivery_countedhour", "delivery_archivestatus"),
}


def tables_with_triggers() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE 'audit_%'")
        return {name for (name,) in cursor.fetchall()}


def test_every_table_is_audited_or_named_as_written_by_the_system() -> None:
    ours = ("webhooks", "subscriptions", "delivery")
    tables = {it._meta.db_table for it in apps.get_models() if it._meta.app_label in ours}
    assert tables - NO_WRITES_OF_PEOPLE == tables_with_triggers() & tables
    assert not tables & NO_WRITES_OF_PEOPLE & tables_with_triggers()


def test_column_with_a_secret_is_hidden_in_every_entry() -> None:
    """A column that is not text, a number or JSON is a secret or a digest: each is hidden or left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, encode(tgargs, 'escape') FROM pg_trigger WHERE tgname = 'audit_rows'"
        )
        arguments = dict(cursor.fetchall())
        cursor.execute(
            "SELECT attrelid::regclass::text, attname FROM pg_attribute "
            "WHERE atttypid = 'bytea'::regtype AND attnum > 0"
        )
        binary = [(table, name) for table, name in cursor.fetchall() if table in arguments]
    assert binary
    assert [(table, name) for table, name in binary if name not in arguments[table]] == []


def test_change_is_recorded_with_the_columns_that_differ() -> None:
    endpoint = make_endpoint()
    Endpoint.objects.filter(pk=endpoint.pk).update(description="new", timeout_ms=endpoint.timeout_ms)
    entry = history_of(endpoint).get(action="changed")
    assert (entry.before, entry.after) == ({"description": ""}, {"description": "new"})
    assert (entry.tenant_id, entry.actor_type, entry.origin) == (endpoint.tenant_id, "system", "system")


def test_update_of_a_column_that_is_left_out_or_to_the_same_value_has_no_entry() -> None:
    endpoint = make_endpoint()
    count = history_of(endpoint).count()
    Endpoint.objects.filter(pk=endpoint.pk).update(updated_at=timezone.now(), description=endpoint.description)
    assert history_of(endpoint).count() == count


def test_parts_of_an_endpoint_are_in_its_history_without_their_secrets() -> None:
    endpoint = make_endpoint(secret="whsec_" + "c2VjcmV0" * 4, headers={"x-key": "hush"})
    SigningSecret.objects.filter(endpoint=endpoint).delete()
    entries = list(history_of(endpoint))
    parts = {(it.part, it.action) for it in entries}
    assert {("", "created"), ("HTTP settings", "created"), ("signing secret", "created")} <= parts
    assert ("signing secret", "deleted") in parts
    assert all(it.tenant_id == endpoint.tenant_id for it in entries)
    shown = str([(it.before, it.after) for it in entries])
    assert "hush" not in shown
    assert "'ciphertext': '***'" in shown


def test_secret_of_a_source_is_recorded_without_its_value() -> None:
    source = make_source()
    stored = bytes(source.secrets.get().ciphertext).hex()
    shown = str([(it.before, it.after) for it in history_of(source)])
    assert "***" in shown
    assert SECRET not in shown
    assert stored not in shown


def test_key_is_recorded_without_its_digest() -> None:
    key, text = make_key(make_tenant())
    (entry,) = history_of(key)
    assert entry.after is not None
    assert entry.after["digest"] == "***"
    assert text not in str(entry.after)


def test_rollback_undoes_the_entry() -> None:
    tenant = make_tenant()
    with transaction.atomic():
        Tenant.objects.filter(pk=tenant.pk).update(name="other")
        transaction.set_rollback(True)
    assert not history_of(tenant).filter(action="changed").exists()


def test_entry_names_the_operation_that_runs_and_no_later_one() -> None:
    tenant = make_tenant()
    with running(Operation(origin="command", name="manage.py x", actor_type="command", actor_name="ada@host")):
        Tenant.objects.filter(pk=tenant.pk).update(name="one")
    Tenant.objects.filter(pk=tenant.pk).update(name="two")
    later, named = history_of(tenant).filter(action="changed")
    assert (named.actor_name, named.operation, named.origin) == ("ada@host", "manage.py x", "command")
    assert (later.actor_type, later.operation) == ("system", "")


def test_operation_is_named_after_a_rollback_to_a_savepoint() -> None:
    tenant = make_tenant()
    with running(Operation(origin="command", name="manage.py x", actor_type="command")):
        with transaction.atomic():
            Tenant.objects.filter(pk=tenant.pk).update(name="one")
            transaction.set_rollback(True)
        Tenant.objects.filter(pk=tenant.pk).update(name="two")
    assert history_of(tenant).get(action="changed").operation == "manage.py x"


def test_work_of_the_system_has_no_entry_and_that_of_a_person_one() -> None:
    endpoint = make_endpoint()
    delivery = make_delivery(make_event(endpoint.tenant), endpoint)
    count = AuditEntry.objects.count()
    type(delivery).objects.filter(pk=delivery.pk).update(attempts=1)
    assert AuditEntry.objects.count() == count
    operation = Operation(origin="admin", name="x", actor_type="user", actor_id="1")
    operation.about(delivery)
    with running(operation):
        type(delivery).objects.filter(pk=delivery.pk).update(attempts=2)
        type(delivery).objects.filter(pk=delivery.pk).update(attempts=3)
    (entry,) = history_of(delivery)
    assert (entry.action, entry.tenant_id) == ("performed", delivery.tenant_id)


@pytest.mark.parametrize(
    "statement", ["UPDATE webhooks_auditentry SET actor_name = ''", "DELETE FROM webhooks_auditentry"]
)
def test_database_refuses_to_change_or_delete_entries(statement: str) -> None:
    make_tenant()
    with pytest.raises(DatabaseError, match="neither changed nor deleted"), transaction.atomic():
        connection.cursor().execute(statement)


def test_entries_past_their_days_are_deleted_and_others_stay(settings: Any) -> None:
    settings.WAYPOST_AUDIT_DAYS = 30
    make_tenant()
    kept = AuditEntry.objects.latest("id")
    moment = timezone.now() - timedelta(days=31)
    AuditEntry.objects.create(id=first_id_at(moment), origin="api", action="created")
    assert delete_expired_entries() == 1
    assert AuditEntry.objects.filter(pk=kept.pk).exists()
    settings.WAYPOST_AUDIT_DAYS = 0
    AuditEntry.objects.create(id=first_id_at(moment), origin="api", action="created")
    assert delete_expired_entries() == 0


def test_command_is_recorded_with_the_user_of_the_machine() -> None:
    call_command("tenant", "Acme")
    entry = history_of(Tenant.objects.get(name="Acme")).get()
    assert (entry.origin, entry.operation, entry.actor_type) == ("command", "manage.py tenant", "command")
    assert "@" in entry.actor_name


def test_request_is_recorded_with_key_address_and_request_id() -> None:
    tenant = make_tenant()
    client = make_client(tenant)
    response = client.post("/api/v1/endpoints/", {"url": "https://example.com/a"}, format="json")
    entry = AuditEntry.objects.get(object_type="endpoint", action="created", part="")
    assert (entry.origin, entry.operation, entry.actor_type) == ("api", "POST endpoint-list", "key")
    assert (entry.address, entry.tenant_id, entry.actor_tenant_id) == ("127.0.0.1", tenant.pk, tenant.pk)
    assert entry.request_id == response["Waypost-Request-Id"]
    assert entry.actor_name.startswith("wp_")


def test_request_that_fails_or_only_previews_has_no_entry() -> None:
    client = make_client(make_tenant())
    count = AuditEntry.objects.count()
    assert client.post("/api/v1/endpoints/", {"url": "nothing"}, format="json").status_code == 400
    preview = client.post("/api/v1/replays/preview/", {"filter": {"cause": "exhausted"}}, format="json")
    assert preview.status_code == 200, preview.content
    assert AuditEntry.objects.count() == count
