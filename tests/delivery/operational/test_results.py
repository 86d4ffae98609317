"""A delivery that has ended for good is published once, as an invocation record, to the endpoint that is named."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.utils import timezone

from delivery import notify
from delivery.fan_out import deferred
from delivery.lifecycle.cancel import cancel
from delivery.lifecycle.erase import erase
from delivery.lifecycle.set_aside import set_aside
from delivery.lifecycle.sweep import sweep
from delivery.models import DeadLetter, DeferredFanOut, Delivery, Event, Lane, PendingResult
from delivery.operational import publish_results
from delivery.publishing.publisher import publish
from delivery.reading.explain import explain
from delivery.sending import settling
from delivery.sending.drain import deliver_due
from delivery.sql.due import mark_lanes_due
from delivery.sql.results import MAX_ORIGINAL
from delivery.sql.settle import settle_attempts
from subscriptions.endpoints.endpoints import change_endpoint, create_endpoint, delete_endpoint
from subscriptions.endpoints.state import disable
from subscriptions.errors import Invalid
from subscriptions.event_types.operational import TYPES
from subscriptions.event_types.schemas import check_examples
from subscriptions.models import Endpoint, Tenant
from tests import receiver as scripts
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.receiver import Receiver
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db
with_drains = pytest.mark.django_db(transaction=True)  # which see what is committed

SUCCEEDED, FAILED = "waypost.delivery.succeeded", "waypost.delivery.failed"
PLAIN = {"id": "1", "source": "/orders", "type": "order.created", "data": {"n": 1}}


@pytest.fixture(autouse=True)
def loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    for starter in (notify.drain_starter, notify.fan_out_starter, notify.result_starter):
        monkeypatch.setattr(starter, "notify", lambda: None)
        monkeypatch.setattr(starter, "send", lambda: True)


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def results(tenant: Tenant, receiver: Receiver) -> Endpoint:
    """Return an endpoint that gets the results of others."""
    return make_endpoint(tenant, url=receiver.url("/results"))


def run_all() -> None:
    """Deliver, publish pending results, route them, and deliver those."""
    for _ in range(2):
        deliver_due(idle_timeout=0.05, seconds=60.0, stopping=lambda: False)
        publish_results.run()
        deferred.run()


def records(event_type: str | None = None) -> list[dict[str, Any]]:
    rows = Event.objects.filter(type__in=[event_type] if event_type else [SUCCEEDED, FAILED]).order_by("id")
    return [orjson.loads(bytes(it.body))["data"] for it in rows]


def sent_records(results: Endpoint) -> list[dict[str, Any]]:
    rows = Delivery.objects.filter(endpoint=results).select_related("event").order_by("id")
    return [orjson.loads(bytes(it.event.body))["data"] for it in rows]


@with_drains
def test_delivery_that_succeeds_is_published_to_the_named_endpoint(
    tenant: Tenant, results: Endpoint, receiver: Receiver
) -> None:
    receiver.script("/in", scripts.status(202, body=b'{"taken": 1}'))
    endpoint = make_subscription(make_endpoint(tenant, url=receiver.url("/in"), on_success=results)).endpoint
    publish(tenant, [PLAIN])
    run_all()
    (record,) = sent_records(results)
    delivery = Delivery.objects.get(endpoint=endpoint)
    assert (record["condition"], record["attempts"], record["status"], record["error"]) == ("delivered", 1, 202, "")
    assert record["response"] == {"text": '{"taken": 1}'}
    assert (record["delivery"], record["endpoint"]) == (delivery.public_id, endpoint.public_id)
    assert record["original"]["data"] == {"n": 1}
    assert record["original_url"].endswith(f"/api/v1/events/{record['event']}/")
    assert [it.path for it in receiver.arrivals] == ["/in", "/results"]
    assert orjson.loads(receiver.arrivals[1].body)["type"] == SUCCEEDED
    assert not PendingResult.objects.exists()
    assert not DeferredFanOut.objects.exists()


@with_drains
def test_delivery_that_fails_is_published_with_the_first_bytes_of_the_response(
    tenant: Tenant, results: Endpoint, receiver: Receiver
) -> None:
    receiver.script("/in", scripts.status(500, body="ü".encode() * 20_000))
    fields = {"url": receiver.url("/in"), "on_failure": results, "on_success": results, "retry_plan": []}
    make_subscription(make_endpoint(tenant, **fields))
    publish(tenant, [PLAIN])
    run_all()
    (record,) = sent_records(results)
    assert (record["condition"], record["attempts"], record["status"], record["error"]) == (
        "exhausted",
        1,
        500,
        "status",
    )
    assert record["response"]["text"] == "ü" * 8_192
    assert Event.objects.get(type=FAILED).about == Event.objects.get(type="order.created").id


def expire(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=timezone.now() - timedelta(days=8))
    Lane.objects.update_or_create(
        endpoint_id=delivery.endpoint_id, defaults={"tenant": delivery.tenant, "endpoint_inactive": True}
    )
    sweep()


def delete(delivery: Delivery) -> None:
    delete_endpoint(delivery.endpoint)
    mark_lanes_due([delivery.endpoint_id])
    deliver_due(idle_timeout=0.05, seconds=60.0, stopping=lambda: False)


def respond_410(delivery: Delivery) -> None:
    disable(delivery.endpoint, Endpoint.DisabledReason.RESPONDED_410)
    mark_lanes_due([delivery.endpoint_id])
    deliver_due(idle_timeout=0.05, seconds=60.0, stopping=lambda: False)


ENDS: dict[str, Callable[[Delivery], object]] = {
    "expired": expire,
    "endpoint_deleted": delete,
    "responded_410": respond_410,
    "set_aside": lambda it: set_aside(it, "ops"),
    "cancelled": lambda it: cancel(it, "ops"),
}


@pytest.mark.parametrize("condition", ENDS)
def test_delivery_that_ends_without_an_attempt_is_published(condition: str, tenant: Tenant, results: Endpoint) -> None:
    endpoint = make_endpoint(tenant, on_failure=results)
    ENDS[condition](make_delivery(make_event(tenant), endpoint))
    publish_results.run()
    (record,) = records()
    assert (record["condition"], record["attempts"], record["response"]) == (condition, 0, None)
    deferred.run()
    assert sent_records(results) == [record]


def test_transformation_that_fails_is_published(tenant: Tenant, results: Endpoint) -> None:
    transformer = {"input_paths": {"n": "$.data.n"}, "template": "{<n>: 1}"}
    make_subscription(make_endpoint(tenant, on_failure=results), transformer=transformer)
    publish(tenant, [PLAIN])
    publish_results.run()
    (record,) = records(FAILED)
    assert record["condition"] == DeadLetter.Cause.TRANSFORMATION_FAILED
    assert record["reason"]


def test_event_above_the_bound_is_given_by_reference(tenant: Tenant, results: Endpoint) -> None:
    event = make_event(tenant, data="x" * MAX_ORIGINAL)
    cancel(make_delivery(event, make_endpoint(tenant, on_failure=results)), "ops")
    publish_results.run()
    (record,) = records()
    assert record["original"] is None
    assert record["original_url"].endswith(f"/events/{event.public_id}/")


def test_numbers_of_the_original_are_those_that_were_published(tenant: Tenant, results: Endpoint) -> None:
    publish(tenant, [])
    body = b'{"specversion":"1.0","id":"1","source":"/o","type":"t","data":{"n":12345678901234567890123.10}}'
    cancel(make_delivery(make_event(tenant, body=body), make_endpoint(tenant, on_failure=results)), "ops")
    publish_results.run()
    assert body in bytes(Event.objects.get(type=FAILED).body)


def test_record_of_deeply_nested_data_is_given_by_reference(tenant: Tenant, results: Endpoint) -> None:
    nested = orjson.loads("[" * 120 + "]" * 120)
    cancel(make_delivery(make_event(tenant, data=nested), make_endpoint(tenant, on_failure=results)), "ops")
    publish_results.run()
    assert records()[0]["original"] is None


@with_drains
def test_record_has_no_record_of_its_own(tenant: Tenant, receiver: Receiver) -> None:
    receiver.script("/results", 500)
    last = make_endpoint(tenant, url=receiver.url("/last"))
    results = make_endpoint(tenant, url=receiver.url("/results"), retry_plan=[], on_failure=last, on_success=last)
    Endpoint.objects.filter(pk=last.pk).update(on_success=results, on_failure=results)
    cancel(make_delivery(make_event(tenant), make_endpoint(tenant, on_failure=results)), "ops")
    publish_results.run()
    deferred.run()
    run_all()
    assert [it.path for it in receiver.arrivals] == ["/results"]
    assert len(records()) == 1
    assert not PendingResult.objects.exists()
    assert DeadLetter.objects.get().endpoint_id == results.id


@with_drains
def test_results_that_no_endpoint_receives_are_not_stored(tenant: Tenant, receiver: Receiver) -> None:
    make_subscription(make_endpoint(tenant, url=receiver.url("/in")))
    make_subscription(make_endpoint(tenant), event_types=["waypost.*", "waypost.delivery.*", "*"])
    publish(tenant, [PLAIN])
    deliver_due(idle_timeout=0.05, seconds=60.0, stopping=lambda: False)
    cancel(make_delivery(make_event(tenant), make_endpoint(tenant)), "ops")
    assert not PendingResult.objects.exists()


@with_drains
def test_settling_without_results_takes_no_transaction_and_no_more_statements(
    tenant: Tenant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending: list[Any] = []
    monkeypatch.setattr(settling, "add_success_results", pending.append)
    make_subscription(make_endpoint(tenant, url=receiver.url("/in"), on_failure=make_endpoint(tenant)))
    publish(tenant, [PLAIN])
    deliver_due(idle_timeout=0.05, seconds=60.0, stopping=lambda: False)
    assert len(receiver.arrivals) == 1
    assert pending == []


@pytest.mark.parametrize("event_type", [SUCCEEDED, FAILED])
@with_drains
def test_subscriptions_receive_results(event_type: str, tenant: Tenant, receiver: Receiver) -> None:
    if event_type == FAILED:
        receiver.script("/in", 500)
    make_subscription(make_endpoint(tenant, url=receiver.url("/in"), retry_plan=[]))
    watcher = make_endpoint(tenant, url=receiver.url("/watcher"))
    make_subscription(watcher, event_types=[event_type], pattern={"data": {"event_type": ["order.created"]}})
    publish(tenant, [PLAIN])
    run_all()
    assert [it["event_type"] for it in sent_records(watcher)] == ["order.created"]
    assert not PendingResult.objects.exists()


@with_drains
def test_platform_tenant_receives_the_results_of_all_tenants(tenant: Tenant, receiver: Receiver) -> None:
    make_subscription(make_endpoint(tenant, url=receiver.url("/in")))
    ops = make_endpoint(make_tenant(is_platform=True), url=receiver.url("/ops"))
    make_subscription(ops, event_types=[SUCCEEDED])
    publish(tenant, [PLAIN])
    run_all()
    assert [it["tenant"] for it in sent_records(ops)] == [tenant.public_id]
    assert Event.objects.filter(tenant=tenant, type=SUCCEEDED).count() == 0


def test_endpoint_that_is_named_and_subscribes_gets_one_record(tenant: Tenant, results: Endpoint) -> None:
    make_subscription(results, event_types=[FAILED])
    cancel(make_delivery(make_event(tenant), make_endpoint(tenant, on_failure=results)), "ops")
    publish_results.run()
    deferred.run()
    assert len(sent_records(results)) == 1


def test_deleted_endpoint_of_results_is_forgotten_and_gets_none(tenant: Tenant, results: Endpoint) -> None:
    endpoint = make_endpoint(tenant, on_failure=results, on_success=results)
    cancel(make_delivery(make_event(tenant), endpoint), "ops")
    delete_endpoint(results)
    endpoint.refresh_from_db()
    assert (endpoint.on_success_id, endpoint.on_failure_id) == (None, None)
    publish_results.run()
    deferred.run()
    assert sent_records(results) == []
    cancel(make_delivery(make_event(tenant), endpoint), "ops")
    assert not PendingResult.objects.exists()


def test_erasing_an_event_erases_it_from_its_records(tenant: Tenant, results: Endpoint) -> None:
    event = make_event(tenant, data={"name": "Ada"})
    cancel(make_delivery(event, make_endpoint(tenant, on_failure=results)), "ops")
    publish_results.run()
    deferred.run()
    assert b"Ada" in bytes(Event.objects.get(type=FAILED).body)
    erase(event, "ops")
    assert b"Ada" not in bytes(Event.objects.get(type=FAILED).body)
    assert Delivery.objects.get(endpoint=results).state == "cancelled"


def test_ordered_endpoint_gets_records_under_its_order_key(tenant: Tenant) -> None:
    results = make_endpoint(tenant, ordering="endpoint")
    cancel(make_delivery(make_event(tenant), make_endpoint(tenant, on_failure=results)), "ops")
    publish_results.run()
    deferred.run()
    assert Delivery.objects.get(endpoint=results).order_key == ""


def test_failure_while_publishing_leaves_results_pending(
    tenant: Tenant, results: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel(make_delivery(make_event(tenant), make_endpoint(tenant, on_failure=results)), "ops")
    with monkeypatch.context() as broken:
        broken.setattr(publish_results, "publish_records", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            publish_results.run()
    assert PendingResult.objects.count() == 1
    assert publish_results.run() == 1
    assert publish_results.run() == 0
    assert len(records()) == 1


def test_result_of_a_delivery_that_is_not_kept_is_dropped(tenant: Tenant, results: Endpoint) -> None:
    delivery = make_delivery(make_event(tenant), make_endpoint(tenant, on_failure=results))
    cancel(delivery, "ops")
    Delivery.objects.filter(pk=delivery.pk)._raw_delete("default")
    assert publish_results.run() == 1
    assert records() == []


@with_drains
def test_attempt_under_a_claim_that_has_ended_stores_no_result(
    tenant: Tenant, results: Endpoint, receiver: Receiver
) -> None:
    def steal(settlements: Any) -> Any:
        Delivery.objects.update(token=new_id())
        return settle_attempts(settlements)

    make_subscription(make_endpoint(tenant, url=receiver.url("/in"), on_success=results))
    publish(tenant, [PLAIN])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(settling, "settle_attempts", steal)
        deliver_due(idle_timeout=0.05, seconds=60.0, stopping=lambda: False)
    assert not PendingResult.objects.exists()


def test_tenants_have_turns(tenant: Tenant, results: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = make_endpoint(tenant, on_failure=results)
    for _ in range(60):
        cancel(make_delivery(make_event(tenant), endpoint), "ops")
    other = make_tenant()
    cancel(make_delivery(make_event(other), make_endpoint(other, on_failure=make_endpoint(other))), "ops")
    publish_results.run(seconds=-1)
    assert set(PendingResult.objects.values_list("tenant", flat=True)) == {tenant.id}


class TestNaming:
    """An endpoint names others of its tenant only."""

    @pytest.mark.parametrize("name", ["on_success", "on_failure"])
    def test_endpoint_of_another_tenant_is_refused(self, name: str, tenant: Tenant) -> None:
        with pytest.raises(Invalid) as error:
            change_endpoint(make_endpoint(tenant), {name: make_endpoint()})
        assert error.value.field == name

    def test_endpoint_itself_is_refused(self, results: Endpoint) -> None:
        with pytest.raises(Invalid) as error:
            change_endpoint(results, {"on_failure": results})
        assert error.value.field == "on_failure"

    def test_deleted_endpoint_is_refused(self, tenant: Tenant, results: Endpoint) -> None:
        delete_endpoint(results)
        with pytest.raises(Invalid):
            create_endpoint(tenant, url="http://127.0.0.1/", on_failure=results)
        assert not Endpoint.objects.filter(deleted_at=None).exists()

    def test_named_endpoint_is_stored(self, tenant: Tenant, results: Endpoint) -> None:
        endpoint, _ = create_endpoint(tenant, url="http://127.0.0.1/", on_failure=results)
        assert change_endpoint(endpoint, {"on_success": results}).on_success_id == results.id
        assert change_endpoint(endpoint, {"on_failure": None}).on_failure_id is None


def test_explanation_says_where_the_result_went_and_why_a_record_was_sent(tenant: Tenant, results: Endpoint) -> None:
    endpoint = make_endpoint(tenant, on_failure=results)
    event = make_event(tenant)
    cancel(make_delivery(event, endpoint), "ops")
    (explained,) = explain(event, [endpoint])
    assert [it.code for it in explained.reasons] == ["cancelled", "result_pending"]
    publish_results.run()
    deferred.run()
    (explained,) = explain(event, [endpoint])
    record = Event.objects.get(type=FAILED)
    assert explained.reasons[-1].code == "result"
    assert record.public_id in explained.reasons[-1].detail
    (explained,) = explain(record, [results])
    assert [it.code for it in explained.reasons] == ["named", "queued"]
    assert endpoint.public_id in explained.reasons[0].detail


@with_drains
def test_records_match_the_described_schemas(tenant: Tenant, results: Endpoint, receiver: Receiver) -> None:
    receiver.script("/bad", scripts.status(500, body=b"\xff"))
    for path in ("/in", "/bad"):
        fields = {"on_failure": results, "on_success": results, "retry_plan": []}
        make_subscription(make_endpoint(tenant, url=receiver.url(path), **fields))
    publish(tenant, [PLAIN])
    run_all()
    for event_type in (SUCCEEDED, FAILED):
        (record,) = records(event_type)
        check_examples([record], TYPES[event_type][1])
    assert records(FAILED)[0]["response"] == {"base64": "/w=="}
