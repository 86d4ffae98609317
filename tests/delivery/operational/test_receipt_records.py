"""A receipt whose handlers have ended for good is published once to the endpoints that its handlers name."""

from typing import Any

import orjson
import pytest
from django.db import transaction

from delivery import notify
from delivery.fan_out import deferred
from delivery.models import Delivery, Event
from subscriptions.event_types.operational import TYPES
from subscriptions.event_types.schemas import check_examples
from subscriptions.models import Endpoint, Tenant
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant
from tests.factories_receiver import make_receipt, make_source
from webhooks.models import Receipt, Source
from webhooks.processing import process
from webhooks.processing.process import process_due
from webhooks.processing.running.handler_run import HandlerRun
from webhooks.processing.running.handler_runs import settle_alone

pytestmark = pytest.mark.django_db

PROCESSED, FAILED = "waypost.receipt.processed", "waypost.receipt.failed"


def fail(_receipt: Receipt) -> None:
    raise ValueError("no such invoice")


def ignore(_receipt: Receipt) -> None:
    """Handle a receipt by doing nothing."""


@pytest.fixture(autouse=True)
def handlers(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WAYPOST_HANDLERS = {"fail": f"{__name__}.fail", "ignore": f"{__name__}.ignore"}
    for starter in (notify.drain_starter, notify.fan_out_starter):
        monkeypatch.setattr(starter, "notify", lambda: None)


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def results(tenant: Tenant) -> Endpoint:
    return make_endpoint(tenant, uid="results")


def source_of(tenant: Tenant, *handlers: dict[str, Any], **changes: Any) -> Source:
    return make_source(tenant_id=tenant.id, handlers=list(handlers), **changes)


def records() -> list[tuple[str, dict[str, Any]]]:
    rows = Event.objects.filter(type__in=[PROCESSED, FAILED]).order_by("id")
    return [(it.type, orjson.loads(bytes(it.body))["data"]) for it in rows]


def handle(source: Source, **changes: Any) -> Receipt:
    receipt = make_receipt(source, **changes)
    process_due(seconds=1.0)
    receipt.refresh_from_db()
    return receipt


@pytest.mark.parametrize("count", [1, 3])
def test_receipt_that_is_processed_is_published(count: int, tenant: Tenant, results: Endpoint) -> None:
    source = source_of(tenant, {"handler": "publish", "on_success": results.public_id})
    receipts = [make_receipt(source, body=b'{"n": 1}') for _ in range(count)]
    process_due(seconds=1.0)
    assert {(kind, it["receipt"], it["condition"]) for kind, it in records()} == {
        (PROCESSED, it.public_id, "processed") for it in receipts
    }
    _, record = records()[0]
    assert record["original"] == {"content_type": "application/json", "json": {"n": 1}}
    assert (record["handlers"], record["attempts"], record["traceback"]) == (["publish"], 1, None)
    deferred.run()
    assert Delivery.objects.filter(endpoint=results).count() == count


def test_receipt_that_is_given_up_is_published_with_its_traceback(tenant: Tenant, results: Endpoint) -> None:
    source = source_of(tenant, {"handler": "fail", "on_failure": results.public_id}, retry_plan=[])
    receipt = handle(source, body=b"\xff", content_type="application/octet-stream")
    ((kind, record),) = records()
    assert (kind, record["condition"], record["receipt"]) == (FAILED, "exhausted", receipt.public_id)
    assert record["error"] == "fail: ValueError: no such invoice"
    assert record["traceback"].endswith("ValueError: no such invoice\n")
    assert record["original"] == {"content_type": "application/octet-stream", "base64": "/w=="}
    check_examples([record], TYPES[FAILED][1])


def test_failure_that_is_retried_is_not_published(tenant: Tenant, results: Endpoint) -> None:
    named = {"on_failure": results.public_id, "on_success": results.public_id}
    assert handle(source_of(tenant, {"handler": "fail", **named}, retry_plan=[60])).state == "pending"
    assert records() == []


def test_only_endpoints_of_handlers_that_were_for_the_receipt_get_its_record(tenant: Tenant, results: Endpoint) -> None:
    other = make_endpoint(tenant)
    source = source_of(
        tenant,
        {"handler": "ignore", "pattern": {"type": ["a.b"]}, "on_success": results.public_id},
        {"handler": "log", "pattern": {"type": ["c.d"]}, "on_success": other.public_id},
    )
    handle(source, event_type="a.b")
    handle(source, event_type="x.y")
    deferred.run()
    assert [it.endpoint_id for it in Delivery.objects.all()] == [results.id]


def test_receipt_that_crashed_its_worker_is_published_to_all_that_are_named(tenant: Tenant, results: Endpoint) -> None:
    receipt = make_receipt(source_of(tenant, {"handler": "publish", "on_failure": results.public_id}))
    run = HandlerRun(receipt, limit=0.0)
    run.give_up(Receipt.Cause.CRASHED_WORKER, "3 claims ended without a result")
    settle_alone([run])
    assert records() == []  # the claim's token was not in the row
    token = "01890a5d-ac96-774b-bcce-b302099a8057"
    Receipt.objects.update(claim_token=token)
    receipt.refresh_from_db()
    run = HandlerRun(receipt, limit=0.0)
    run.give_up(Receipt.Cause.CRASHED_WORKER, "3 claims ended without a result")
    settle_alone([run])
    assert [it["condition"] for _, it in records()] == ["crashed_worker"]


def test_subscriptions_receive_results_of_receipts(tenant: Tenant) -> None:
    make_subscription(make_endpoint(tenant), event_types=[PROCESSED])
    handle(source_of(tenant, {"handler": "ignore"}))
    handle(source_of(make_tenant(), {"handler": "ignore"}))
    handle(make_source(handlers=[{"handler": "ignore"}]))
    assert [kind for kind, _ in records()] == [PROCESSED]


def test_received_record_has_no_record_of_its_own(tenant: Tenant, results: Endpoint) -> None:
    handle(source_of(tenant, {"handler": "ignore", "on_success": results.public_id}), event_type=PROCESSED)
    assert records() == []


def test_large_message_is_given_by_reference(tenant: Tenant, results: Endpoint, monkeypatch: Any) -> None:
    source = source_of(tenant, {"handler": "ignore", "on_success": results.public_id})
    receipt = handle(source, body=None, body_key="bodies/1", size=100_000)
    ((_, record),) = records()
    assert record["original"] is None
    assert record["original_url"].endswith(f"/api/v1/receipts/{receipt.public_id}/")


def test_record_is_undone_with_the_transaction_of_the_receipt(
    tenant: Tenant, results: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_receipt(source_of(tenant, {"handler": "ignore", "on_success": results.public_id}))
    original = process.run_together

    def undone(*arguments: Any, **options: Any) -> Any:
        with transaction.atomic():
            original(*arguments, **options)
            transaction.set_rollback(True)
        return original(*arguments, **options)

    monkeypatch.setattr(process, "run_together", undone)
    process_due(seconds=1.0)
    assert len(records()) == 1


class TestNaming:
    """A source names endpoints of its own tenant."""

    def test_endpoint_is_named_by_its_uid_and_shown_by_its_id(self, tenant: Tenant, results: Endpoint) -> None:
        handlers = [{"handler": "publish", "on_success": "results", "on_failure": results.public_id}]
        response = make_client(tenant).post("/api/v1/sources/", {"scheme": "standard", "handlers": handlers}, "json")
        assert response.status_code == 201, response.json()
        key = results.public_id
        assert response.json()["handlers"] == [{"handler": "publish", "on_success": key, "on_failure": key}]

    def test_endpoint_of_another_tenant_is_refused_by_the_name_of_its_field(self, tenant: Tenant) -> None:
        other = make_endpoint(uid="other")
        for name in (other.public_id, "other"):
            handlers = [{"handler": "publish"}, {"handler": "log", "on_failure": name}]
            response = make_client(tenant).post(
                "/api/v1/sources/", {"scheme": "standard", "handlers": handlers}, "json"
            )
            assert response.status_code == 400
            assert response.json()["errors"][0]["field"] == "handlers.1.on_failure"
