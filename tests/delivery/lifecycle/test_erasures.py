"""Erasures find what there is about a subject, erase all of it once, and go on after a crash."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import connection

from delivery.fan_out import deferred, shares
from delivery.lifecycle import erasures
from delivery.lifecycle.erase import erase
from delivery.models import Delivery, Erasure, Event
from delivery.operational import publish_results
from delivery.operational.pending_results import add_failure_results
from delivery.publishing.publish_receipt import publish_receipt
from delivery.publishing.publisher import publish
from subscriptions.masking.keys import hash_of
from subscriptions.models import Tenant
from subscriptions.routing.grants import create_grant
from tests.delivery.factories import make_attempt, make_dead_letter, make_delivery, make_event
from tests.delivery.jobs import erase_to_end
from tests.delivery.stored_text import stored_text
from tests.factories import make_client, make_endpoint, make_event_type, make_subscription, make_tenant
from tests.factories_receiver import make_receipt, make_source

pytestmark = pytest.mark.django_db

SUBJECT, SECRET = "user-1", "4111 1111 1111 1111"


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def about(tenant: Tenant, subject: str = SUBJECT, **changes: Any) -> Event:
    return make_event(tenant, subject=subject, data={"card": SECRET}, **changes)


def test_everything_about_the_subject_is_erased_and_nothing_else(tenant: Tenant) -> None:
    event, other, foreign = about(tenant), about(tenant, "user-2"), about(make_tenant())
    endpoint = make_endpoint(tenant)
    pending = make_delivery(event, endpoint, state="pending", body=SECRET.encode(), order_key=SUBJECT)
    dead = make_delivery(event, make_endpoint(tenant), state="dead")
    make_dead_letter(dead, reason=f"cannot render {SECRET}")
    make_attempt(dead, response=SECRET.encode())
    counted = erasures.preview(tenant, SUBJECT)
    assert counted == (1, 2, 1, False, 0)
    row = erase_to_end(erasures.start(tenant, SUBJECT, by="ops"))
    assert (row.state, row.total, row.erased, row.deliveries, row.cancelled) == ("finished", 1, 1, 2, 1)
    Event.objects.filter(id__in=[other.id, foreign.id]).delete()
    assert SECRET not in stored_text()
    assert SUBJECT not in stored_text()
    event.refresh_from_db()
    assert event.subject == orjson.loads(bytes(event.body))["subject"] == hash_of(tenant.id, SUBJECT)
    assert event.payload_deleted_by == f"{row.public_id} by ops"
    pending.refresh_from_db()
    assert pending.state == "cancelled"


def test_other_subjects_and_tenants_keep_their_data(tenant: Tenant) -> None:
    others = [about(tenant, "user-2"), about(make_tenant())]
    about(tenant)
    erase_to_end(erasures.start(tenant, SUBJECT, by="ops"))
    assert not Event.objects.filter(id__in=[it.id for it in others]).exclude(payload_deleted_at=None).exists()


def test_events_whose_subject_is_hashed_by_a_mask_are_found(tenant: Tenant) -> None:
    make_event_type(tenant, name="card.stored", masks=[{"path": "$.subject", "action": "hash"}])
    publish(tenant, [{"type": "card.stored", "subject": SUBJECT, "data": {"card": SECRET}}])
    assert erasures.preview(tenant, SUBJECT).total == 1
    erase_to_end(erasures.start(tenant, SUBJECT, by="ops"))
    assert SECRET not in stored_text()


def test_receipt_that_the_event_was_published_from_is_erased(tenant: Tenant) -> None:
    source = make_source(tenant_id=tenant.pk, envelope="cloudevents")
    body = {"specversion": "1.0", "id": "7", "source": "/s", "type": "t", "subject": SUBJECT, "data": SECRET}
    fields = {"content_type": "application/cloudevents+json", "due_at": None}
    receipt = make_receipt(source, body=orjson.dumps(body), message_id="7", **fields)
    other = make_receipt(source, body=b"other", message_id="8", **fields)
    publish_receipt(receipt)
    row = erase_to_end(erasures.start(tenant, SUBJECT, by="ops"))
    assert (row.erased, row.receipts) == (1, 1)
    receipt.refresh_from_db()
    other.refresh_from_db()
    assert (bytes(receipt.body or b""), receipt.size, receipt.headers) == (b"", 0, {})
    assert bytes(other.body or b"") == b"other"


def test_slice_that_is_cut_off_is_done_again_from_its_beginning(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [about(tenant) for _ in range(5)]
    row = erasures.start(tenant, SUBJECT, by="ops", rate=1_000)
    erase, calls = erasures.erase, []

    def cut_off(event: Event, *arguments: Any, **options: Any) -> bool:
        calls.append(event.id)
        if len(calls) == 3:
            raise RuntimeError("the process ends here")
        return erase(event, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(erasures, "erase", cut_off)
        erasures.run_slices()
    assert not Event.objects.exclude(payload_deleted_at=None).exists()
    row = erase_to_end(row)
    assert (row.erased, row.total) == (5, 5)
    assert Event.objects.exclude(payload_deleted_at=None).count() == len(events)


def test_later_events_are_not_part_of_it_and_again_erases_the_rest(tenant: Tenant) -> None:
    about(tenant)
    row = erasures.start(tenant, SUBJECT, by="ops")
    Erasure.objects.update(until_at=row.until_at - timedelta(days=1))
    assert erase_to_end(row).erased == 0
    assert erase_to_end(erasures.start(tenant, SUBJECT, by="ops")).erased == 1
    assert erase_to_end(erasures.start(tenant, SUBJECT, by="ops")).total == 0


def test_events_are_found_by_the_index_of_subjects(tenant: Tenant) -> None:
    for _ in range(3):
        about(tenant)
    rows = erasures._events(tenant.id, SUBJECT, None)[:50]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "event_by_subject" in rows.explain()


def test_event_that_was_erased_by_itself_loses_its_subject_too(tenant: Tenant) -> None:
    event = about(tenant)
    erase(event, "before")
    row = erase_to_end(erasures.start(tenant, SUBJECT, by="ops"))
    assert (row.total, row.erased) == (0, 0)
    assert SUBJECT not in stored_text()
    event.refresh_from_db()
    assert event.payload_deleted_by == "before"


def test_attributes_and_keys_with_the_subject_lose_it(tenant: Tenant) -> None:
    publish(tenant, [{"type": "t", "subject": SUBJECT, "extensions": {"partitionkey": SUBJECT}, "data": 1}])
    event = Event.objects.get()
    assert bytes(event.body).count(SUBJECT.encode()) == 2
    make_delivery(event, make_endpoint(tenant), state="delivered", order_key=f"{SUBJECT}@example.com")
    erase_to_end(erasures.start(tenant, SUBJECT, by="ops"))
    assert SUBJECT not in stored_text()


def test_copies_in_other_tenants_are_erased_with_their_subject(tenant: Tenant) -> None:
    grantee = make_tenant()
    grant = create_grant(tenant, grantee, event_types=["order.*"])
    make_subscription(make_endpoint(grantee), event_types=["order.paid"], grant=grant)
    publish(tenant, [{"type": "order.paid", "subject": SUBJECT, "data": SECRET}])
    shares.run()
    deferred.run()
    assert Event.objects.filter(tenant=grantee, subject=SUBJECT).exists()
    erase_to_end(erasures.start(tenant, SUBJECT, by="ops"))
    assert SECRET not in stored_text()
    assert SUBJECT not in stored_text()
    assert Delivery.objects.get(tenant=grantee).state == "cancelled"


def test_record_of_a_delivery_that_is_published_later_has_nothing_of_the_data(tenant: Tenant) -> None:
    results = make_endpoint(tenant)
    endpoint = make_endpoint(tenant, on_failure=results)
    dead = make_delivery(about(tenant), endpoint, state="dead")
    make_dead_letter(dead, reason=f"cannot render {SECRET}")
    make_attempt(dead, response=SECRET.encode())
    add_failure_results([dead.id])
    erase_to_end(erasures.start(tenant, SUBJECT, by="ops"))
    publish_results.run()
    assert Event.objects.filter(type="waypost.delivery.failed").exists()
    assert SECRET not in stored_text()


def test_event_for_an_endpoint_that_receives_it_unmasked_leaves_nothing(tenant: Tenant) -> None:
    make_event_type(tenant, name="card.stored", masks=[{"path": "$.data.card", "action": "encrypt"}])
    make_subscription(make_endpoint(tenant, unmasked=True), event_types=["card.stored"])
    masked = make_endpoint(tenant, masks=[{"path": "$.data.name", "action": "mask"}])
    make_subscription(masked, event_types=["card.stored"])
    publish(tenant, [{"type": "card.stored", "subject": SUBJECT, "data": {"card": SECRET, "name": "Ada"}}])
    assert Delivery.objects.exclude(body=None).count() == 2
    erase_to_end(erasures.start(tenant, SUBJECT, by="ops"))
    assert not Delivery.objects.exclude(body=None).exists()
    assert not Event.objects.exclude(original=None).exists()
    assert SUBJECT not in stored_text()


class TestApi:
    def test_erasure_is_previewed_created_shown_and_cancelled(self, tenant: Tenant) -> None:
        make_delivery(about(tenant), make_endpoint(tenant))
        client = make_client(tenant)
        counted = client.post("/api/v1/erasures/preview/", {"subject": SUBJECT}).json()
        assert counted == {"total": 1, "deliveries": 1, "unfinished": 1, "is_lower_bound": False, "archives": 0}
        made = client.post("/api/v1/erasures/", {"subject": SUBJECT}).json()
        assert (made["state"], made["subject"], made["total"]) == ("running", SUBJECT, 1)
        path = f"/api/v1/erasures/{made['id']}/"
        assert client.post(f"{path}cancel/").json()["state"] == "cancelled"
        assert client.get(path).json()["subject"] == ""
        (listed,) = client.get(f"/api/v1/erasures/?subject_hash={made['subject_hash']}").json()["data"]
        assert listed["id"] == made["id"]
        assert make_client(make_tenant()).get(path).status_code == 404

    def test_finished_erasure_cannot_be_cancelled(self, tenant: Tenant) -> None:
        row = erase_to_end(erasures.start(tenant, SUBJECT, by="ops"))
        assert make_client(tenant).post(f"/api/v1/erasures/{row.public_id}/cancel/").status_code == 409

    def test_subject_is_required(self, tenant: Tenant) -> None:
        refused = make_client(tenant).post("/api/v1/erasures/", {"subject": ""})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "#/subject")


def test_delivery_of_an_erased_event_is_not_sent_again(tenant: Tenant) -> None:
    make_subscription(make_endpoint(tenant))
    publish(tenant, [{"type": "t", "subject": SUBJECT, "data": SECRET}])
    erase_to_end(erasures.start(tenant, SUBJECT, by="ops"))
    assert Delivery.objects.get().state == "cancelled"
