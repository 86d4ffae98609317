"""Test what becomes of the sources of a tenant that is deleted, and that none is created for it."""

import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from subscriptions.models import Tenant
from subscriptions.tenants.tenants import delete_tenant
from tests.factories import make_client, make_plan, make_tenant
from tests.factories_receiver import make_receipt, make_source, signed
from tests.threads import in_threads
from tests.waiting import wait_until
from webhooks.kit.tenancy import UnknownTenant, tenant_deleted
from webhooks.models import Receipt, Rejection, Source
from webhooks.processing.handlers import handles
from webhooks.processing.process import process_due
from webhooks.processing.replays import replay_now
from webhooks.sources.sources import create_source
from webhooks.wire.ids import new_id

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

BODY = b'{"type":"a.b"}'


def post(source: Source, headers: dict[str, str]) -> Any:
    return Client().post(f"/in/{source.public_id}/", BODY, "application/json", headers=headers)


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def test_source_of_a_deleted_tenant_responds_as_a_deleted_one(
    tenant: Tenant, django_capture_on_commit_callbacks: Any
) -> None:
    own, other = make_source(tenant_id=tenant.pk, uid="shop"), make_source(tenant_id=make_tenant().pk)
    assert post(own, signed(BODY)).status_code == 202
    with django_capture_on_commit_callbacks(execute=True):
        assert make_client().delete(f"/api/v1/tenants/{tenant.public_id}/").status_code == 204
    assert post(own, signed(BODY, message_id="msg_2")).status_code == 410
    assert post(own, {}).status_code == 404
    assert Client().get(f"/in/{own.public_id}/?crc_token=x").status_code == 404
    assert Client().options(f"/in/{own.public_id}/", headers={"webhook-request-origin": "a.b"}).status_code == 404
    assert Receipt.objects.filter(source=own).count() == 1
    assert not Rejection.objects.exists()
    assert post(other, signed(BODY)).status_code == 202
    assert make_client().get(f"/api/v1/sources/{own.public_id}/").status_code == 404


def test_pending_receipts_of_a_deleted_tenant_are_given_up_and_reach_no_handler(tenant: Tenant) -> None:
    handled: list[Receipt] = []
    handles()(handled.append)
    source = make_source(tenant_id=tenant.pk, handlers=[{"handler": "publish"}])
    pending, other = make_receipt(source), make_receipt(make_source())
    delete_tenant(tenant)
    process_due()
    pending.refresh_from_db()
    assert (pending.state, pending.cause, pending.attempts) == ("dead", "tenant_deleted", 0)
    assert [receipt.pk for receipt in handled] == [other.pk]
    assert replay_now([pending]) == 1
    process_due()
    pending.refresh_from_db()
    assert (pending.cause, len(handled)) == ("tenant_deleted", 1)


def test_source_deleted_before_keeps_its_time_of_deletion(tenant: Tenant) -> None:
    source = make_source(tenant_id=tenant.pk)
    make_client(tenant).delete(f"/api/v1/sources/{source.public_id}/")
    before = Source.objects.get().deleted_at
    delete_tenant(tenant)
    after = Source.objects.get()
    assert after.deleted_at == before
    assert after.tenant_deleted_at is not None


@pytest.mark.parametrize("tenant_id", ["deleted", "unknown"])
def test_source_is_created_for_no_tenant_that_is_deleted_or_unknown(tenant: Tenant, tenant_id: str) -> None:
    delete_tenant(tenant)
    key = tenant.pk if tenant_id == "deleted" else new_id()
    with pytest.raises(UnknownTenant):
        create_source(tenant_id=key, scheme="none")
    headers = {"waypost-tenant": Tenant(pk=key).public_id}
    response = make_client().post("/api/v1/sources/", {"scheme": "none"}, format="json", headers=headers)
    assert response.status_code == 404
    assert not Source.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_source_that_is_created_while_its_tenant_is_deleted_is_deleted_too() -> None:
    tenant, created = make_tenant(), threading.Event()

    def create() -> None:
        with transaction.atomic():
            create_source(tenant_id=tenant.pk, scheme="none")
            created.set()
            wait_until(is_another_session_waiting, "the deletion to wait")

    def delete() -> None:
        created.wait()
        delete_tenant(tenant)

    assert in_threads(create, delete) == [None, None]
    assert Source.objects.get().deleted_at is not None


def is_another_session_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


def test_project_without_the_provider_ends_the_sources_of_its_tenants_by_the_signal() -> None:
    source = make_source(tenant_id=new_id())
    tenant_deleted.send(None, tenant_id=source.tenant_id)
    assert post(source, signed(BODY)).status_code == 410


def test_source_beyond_the_limit_of_the_plan_is_a_402_that_names_it() -> None:
    tenant = make_tenant(plan=make_plan(max_sources=1))
    client = make_client(tenant)
    assert client.post("/api/v1/sources/", {"scheme": "none"}, format="json").status_code == 201
    response = client.post("/api/v1/sources/", {"scheme": "none"}, format="json")
    problem = response.json()
    assert (response.status_code, problem["limit"], problem["allowed"], problem["used"]) == (402, "max_sources", 1, 1)
    limits = client.get(f"/api/v1/tenants/{tenant.public_id}/limits/").json()["data"]
    assert [it["used"] for it in limits if it["name"] == "max_sources"] == [1]
    client.delete(f"/api/v1/sources/{Source.objects.get().public_id}/")
    assert client.post("/api/v1/sources/", {"scheme": "none"}, format="json").status_code == 201


@pytest.mark.django_db(transaction=True)
def test_sources_created_at_the_same_time_do_not_exceed_the_limit_of_the_plan() -> None:
    tenant = make_tenant(plan=make_plan(max_sources=2))

    def create() -> str:
        return create_source(tenant_id=tenant.pk, scheme="none").scheme

    results = in_threads(*[create] * 4)
    assert results.count("none") == Source.objects.count() == 2
    assert [type(it).__name__ for it in results if it != "none"] == ["LimitExceeded"] * 2
