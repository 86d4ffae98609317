"""Steps on the way to an event: filter, enrich, transform, publish; each is kept in the receipt's history."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.utils import timezone

from delivery.models import Event
from subscriptions.models import Tenant
from tests.dns_server import Answer, DnsServer
from tests.factories import make_client
from tests.factories_receiver import make_receipt, make_source
from tests.receiver import Exchange, Receiver, hang, status
from tests.webhooks.admin.operators import SEES_ALL, operator
from webhooks.kit.jsonata.evaluators import EvaluatorUnavailable, evaluators
from webhooks.models import Receipt, Source
from webhooks.processing.process import process_due
from webhooks.processing.steps import in_flight
from webhooks.processing.steps.breakers import MAX_FAILURES, breaker_of
from webhooks.sources.connections import credentials_of, encrypted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]
API = "/api/v1"
GUIDE = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "receive.md"


def answer(value: Any) -> Any:
    return status(200, orjson.dumps(value), content_type="application/json")


def received(tenant: Tenant, body: Any, *handlers: dict[str, Any], **changes: Any) -> Receipt:
    """Store a message of a source that publishes with these steps."""
    entries = [{"handler": "publish", **it} for it in handlers]
    source = make_source(tenant_id=tenant.pk, handlers=entries, **changes)
    return make_receipt(source, body=orjson.dumps(body), event_type="order.placed")


def published() -> list[dict[str, Any]]:
    return [orjson.loads(bytes(it.body)) for it in Event.objects.order_by("id")]


def steps_of(receipt: Receipt) -> list[tuple[str, str]]:
    (attempt,) = make_client(None).get(f"{API}/receipts/{receipt.public_id}/attempts/").json()["data"][:1]
    return [(it["step"], it["outcome"]) for it in attempt["steps"]]


def make_due() -> None:
    Receipt.objects.filter(due_at__isnull=False).update(due_at=timezone.now() - timedelta(seconds=1))


def test_change_of_dynamodb_is_published_as_what_an_inline_template_makes_of_it(tenant: Tenant) -> None:
    items = [{"M": {"sku": {"S": "b-1"}, "count": {"N": "2"}}}, {"M": {"sku": {"S": "b-2"}, "count": {"N": "1"}}}]
    image = {"orderId": {"S": "A-17"}, "items": {"L": items}}
    change = {"eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": {"NewImage": image}}
    path = "$.body.dynamodb.NewImage"
    template = f'{{"orderId": "<{path}.orderId.S>", "items": <{path}.items.L[*].M.sku.S>}}'
    pattern = {"data": {"eventName": ["INSERT"]}}
    receipt = received(tenant, change, {"pattern": pattern, "transform": {"template": template, "type": "order.new"}})
    process_due()
    (event,) = published()
    assert event["data"] == {"orderId": "A-17", "items": ["b-1", "b-2"]}
    assert (event["type"], event["id"]) == ("order.new", receipt.message_id)
    assert steps_of(receipt) == [
        ("open", "opened"),
        ("filter", "matched"),
        ("transform", "transformed"),
        ("publish", "published"),
    ]


def test_notification_of_s3_is_caught_by_a_wildcard_in_the_key(tenant: Tenant) -> None:
    def notification(key: str) -> dict[str, Any]:
        s3 = {"bucket": {"name": "uploads", "arn": "arn:aws:s3:::uploads"}, "object": {"key": key, "size": 5}}
        record = {"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-north-1", "s3": s3}
        return {"Records": [{**record, "eventTime": "2030-01-31T12:00:00Z", "eventName": "ObjectCreated:Put"}]}

    pattern = {"data": {"s3": {"object": {"key": [{"wildcard": "*/XYZ/*"}]}}}}
    transform = {"template": '{"file": <$.body.s3.object.key>}'}
    for key in ("in/XYZ/a.csv", "in/ABC/a.csv", "XYZ/a.csv"):
        received(tenant, notification(key), {"pattern": pattern, "transform": transform})
    process_due()
    assert [it["data"] for it in published()] == [{"file": "in/XYZ/a.csv"}]
    unmatched = Receipt.objects.order_by("id")[1]
    assert steps_of(unmatched) == [("filter", "not_matched")]
    assert unmatched.is_unhandled


def test_fraud_in_a_record_of_kafka_is_caught_by_a_prefix(tenant: Tenant) -> None:
    for kind in ("fraud.card", "payment.ok"):
        value = {"kind": kind, "amount": 7}
        record = {"topic": "payments", "partition": 0, "offset": 1, "headers": [], "key": "k", "value": value}
        handler = {
            "pattern": {"data": {"topic": ["payments"], "value": {"kind": [{"prefix": "fraud."}]}}},
            "transform": {"template": "<$.body.value>", "type": "fraud.suspected"},
        }
        received(tenant, record, handler)
    process_due()
    assert [(it["type"], it["data"]) for it in published()] == [
        ("fraud.suspected", {"kind": "fraud.card", "amount": 7})
    ]


def test_answer_of_the_enrichment_stands_beside_the_message_for_the_template(tenant: Tenant, crm: Receiver) -> None:
    crm.script("/customers/a%2Fb?type=order.placed", answer({"name": "Ada"}))
    enrich = {
        "url": crm.url("/customers/<$.body.customer>?type=<$.type>"),
        "method": "GET",
        "headers": {"authorization": "Bearer <credentials.crm>"},
    }
    transform = {"template": '{"id": <$.body.id>, "name": <$.enrichment.name>}'}
    receipt = received(
        tenant,
        {"id": 7, "customer": "a/b"},
        {"enrich": enrich, "transform": transform},
        credentials=encrypted({"crm": "s3cret"}),
    )
    process_due()
    assert [it["data"] for it in published()] == [{"id": 7, "name": "Ada"}]
    (call,) = crm.arrivals
    assert call.headers["authorization"] == "Bearer s3cret"
    assert ("enrich", "answered") in steps_of(receipt)
    assert "s3cret" not in json.dumps(Receipt.objects.get().history)


def test_answer_without_a_template_becomes_the_data(tenant: Tenant, crm: Receiver) -> None:
    crm.script("/score", answer({"score": 0.9}))
    received(tenant, {"id": 7}, {"enrich": {"url": crm.url("/score")}})
    process_due()
    assert [it["data"] for it in published()] == [{"score": 0.9}]
    sent = orjson.loads(crm.arrivals[0].body)
    assert (sent["data"], sent["body"], sent["type"]) == ({"id": 7}, {"id": 7}, "order.placed")


def test_body_of_the_call_is_rendered_by_its_template(tenant: Tenant, crm: Receiver) -> None:
    received(tenant, {"id": 7}, {"enrich": {"url": crm.url("/"), "body": '{"order": <$.body.id>}'}})
    process_due()
    assert orjson.loads(crm.arrivals[0].body) == {"order": 7}
    assert crm.arrivals[0].headers["content-type"] == "application/json"


def test_body_of_the_call_is_what_its_expression_makes(tenant: Tenant, crm: Receiver) -> None:
    crm.script("/", answer({"name": "Ada"}))
    expression = "{'order': body.id, 'total': $sum(body.lines.price), 'kind': type}"
    transform = {"jsonata": "{'id': body.id, 'name': enrichment.name}"}
    body = {"id": 7, "lines": [{"price": 2}, {"price": 3}]}
    received(tenant, body, {"enrich": {"url": crm.url("/"), "jsonata": expression}, "transform": transform})
    process_due()
    assert orjson.loads(crm.arrivals[0].body) == {"order": 7, "total": 5, "kind": "order.placed"}
    assert crm.arrivals[0].headers["content-type"] == "application/json"
    assert [it["data"] for it in published()] == [{"id": 7, "name": "Ada"}]


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("body.missing", "the expression has no value"),
        ("$error('no customer')", "no customer"),
        ("($f := function($n) { $f($n + 1) }; $f(1))", "of processor time"),
    ],
)
def test_expression_that_makes_no_body_is_an_attempt_without_a_call_and_opens_no_breaker(
    tenant: Tenant, crm: Receiver, expression: str, reason: str
) -> None:
    source = make_source(
        tenant_id=tenant.pk, handlers=[{"handler": "publish", "enrich": {"url": crm.url("/"), "jsonata": expression}}]
    )
    for _ in range(MAX_FAILURES):
        make_receipt(source)
    process_due()
    receipts = list(Receipt.objects.all())
    assert {(it.attempts, it.state) for it in receipts} == {(1, "pending")}
    assert all("EnrichmentFailed: no request: " in it.last_error for it in receipts)
    assert all(reason in it.last_error for it in receipts)
    assert crm.arrivals == []
    assert breaker_of(source.pk).wait() == 0.0


@pytest.mark.parametrize("step", ["enrich", "transform"])
def test_machine_that_is_too_busy_for_an_expression_uses_no_attempt(
    tenant: Tenant, crm: Receiver, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def busy(*_: object) -> None:
        raise EvaluatorUnavailable("busy")

    crm.script("/", answer(1))
    steps = {
        "enrich": {"enrich": {"url": crm.url("/"), "jsonata": "{'id': body.id}"}},
        "transform": {"transform": {"jsonata": "{'id': body.id}"}},
    }
    receipt = received(tenant, {"id": 7}, steps[step])
    with monkeypatch.context() as patch:
        patch.setattr(evaluators(), "evaluate", busy)
        process_due()
    receipt.refresh_from_db()
    assert (receipt.attempts, receipt.state, crm.arrivals) == (0, "pending", [])
    assert breaker_of(receipt.source_id).in_progress == 0
    make_due()
    process_due()
    assert len(published()) == 1


def test_message_that_the_pattern_does_not_match_is_not_enriched(tenant: Tenant, crm: Receiver) -> None:
    received(tenant, {"n": 1}, {"pattern": {"data": {"n": [2]}}, "enrich": {"url": crm.url("/")}})
    process_due()
    assert (crm.arrivals, published()) == ([], [])


def test_first_of_several_publish_handlers_that_matches_publishes(tenant: Tenant, crm: Receiver) -> None:
    crm.script("/paid", answer("x"))
    handlers = [
        {"pattern": {"data": {"n": [1]}}, "transform": {"template": "<$.body.n>", "type": "one"}},
        {"pattern": {"data": {"n": [2]}}, "enrich": {"url": crm.url("/paid")}},
        {"transform": {"template": '{"other": <$.body.n>}', "type": "other"}},
    ]
    for number in (1, 2, 3):
        received(tenant, {"n": number}, *handlers)
    process_due()
    data = {json.dumps(it["data"]) for it in published()}
    assert data == {"1", '"x"', '{"other": 3}'}
    assert len(crm.arrivals) == 1


def test_call_that_fails_is_tried_again_and_then_by_the_retry_plan(tenant: Tenant, crm: Receiver) -> None:
    crm.script("/", 500, 503, answer(1))
    receipt = received(tenant, {}, {"enrich": {"url": crm.url("/"), "retries": 1}})
    process_due()
    assert len(crm.arrivals) == 2
    receipt.refresh_from_db()
    assert (receipt.attempts, receipt.state) == (1, "pending")
    assert "EnrichmentFailed: responded 503" in receipt.last_error
    assert ("enrich", "failed") in steps_of(receipt)
    make_due()
    process_due()
    assert [it["data"] for it in published()] == [1]


def test_call_that_hangs_ends_at_its_deadline(tenant: Tenant, crm: Receiver) -> None:
    crm.script("/", hang)
    receipt = received(tenant, {}, {"enrich": {"url": crm.url("/"), "timeout_seconds": 1, "retries": 3}})
    process_due()
    receipt.refresh_from_db()
    assert "no " in receipt.last_error
    assert (receipt.attempts, len(crm.arrivals)) == (1, 1)


def test_calls_of_a_failing_system_are_interrupted_without_using_attempts(tenant: Tenant, crm: Receiver) -> None:
    crm.script("/", 500)
    enrich = {"url": crm.url("/"), "retries": 0, "max_concurrency": 1}
    source = make_source(tenant_id=tenant.pk, handlers=[{"handler": "publish", "enrich": enrich}])
    for _ in range(MAX_FAILURES):
        make_receipt(source)
        process_due()
    last = make_receipt(source)
    process_due()
    last.refresh_from_db()
    assert (last.attempts, last.state, len(crm.arrivals)) == (0, "pending", MAX_FAILURES)
    assert ("enrich", "interrupted") in steps_of(last)


def test_refusal_of_a_request_interrupts_no_others(tenant: Tenant, crm: Receiver) -> None:
    crm.script("/", 404)
    source = make_source(
        tenant_id=tenant.pk, handlers=[{"handler": "publish", "enrich": {"url": crm.url("/"), "retries": 0}}]
    )
    for _ in range(MAX_FAILURES + 1):
        make_receipt(source)
        process_due()
    assert len(crm.arrivals) == MAX_FAILURES + 1


@pytest.mark.parametrize("template", ['{"a": <$.body.a>}', "<$.body.a[*].b>"])
def test_missing_value_is_written_as_empty(tenant: Tenant, template: str) -> None:
    received(tenant, {}, {"transform": {"template": template}})
    process_due()
    assert published()[0]["data"] in ({"a": ""}, "")


def test_admin_shows_the_steps_of_each_attempt(tenant: Tenant) -> None:
    receipt = received(tenant, {"n": 1}, {"transform": {"template": "<$.body.n>"}})
    process_due()
    shown = operator(*SEES_ALL).get(f"/admin/webhooks/receipt/{receipt.pk}/change/").content.decode()
    assert "transform transformed</span>" in shown
    assert 'title="1 event">publish published' in shown


def test_message_that_cannot_be_transformed_is_dead_with_the_reason(tenant: Tenant) -> None:
    receipt = received(tenant, {"name": 5}, {"transform": {"template": "{<$.body.name>: 1}"}})
    process_due()
    receipt.refresh_from_db()
    assert (receipt.state, receipt.cause) == ("dead", "handler_gave_up")
    assert "transform: the result is not JSON" in receipt.last_error
    assert ("transform", "failed") in steps_of(receipt)


def test_value_that_leads_to_another_path_is_refused(tenant: Tenant, crm: Receiver) -> None:
    receipt = received(
        tenant, {"id": ".."}, {"enrich": {"url": crm.url("/orders/<$.body.id>/x"), "method": "GET", "retries": 0}}
    )
    process_due()
    receipt.refresh_from_db()
    assert "another path" in receipt.last_error
    assert crm.arrivals == []


def test_private_address_is_not_called(tenant: Tenant, crm: Receiver, settings: Any) -> None:
    settings.WAYPOST_ALLOW_NETWORKS = []
    receipt = received(tenant, {}, {"enrich": {"url": crm.url("/"), "retries": 0}})
    process_due()
    receipt.refresh_from_db()
    assert (crm.arrivals, receipt.attempts) == ([], 1)


def test_other_receipts_go_on_while_a_call_waits(
    tenant: Tenant, crm: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handlers of another source run while the call waits."""
    others: list[int] = []

    def respond(exchange: Exchange) -> None:
        for _ in range(500):
            if others:
                break
            exchange.pause(0.01)
        answer({"handled": bool(others)})(exchange)

    crm.script("/", respond)
    received(tenant, {}, {"enrich": {"url": crm.url("/"), "timeout_seconds": 10}})
    plain = received(tenant, {"n": 1}, {})
    ended = in_flight.InFlight.ended

    def watch(waiting: in_flight.InFlight, **options: Any) -> list[Receipt]:
        if Receipt.objects.get(pk=plain.pk).state == "processed":
            others.append(1)
        return ended(waiting, **options)

    monkeypatch.setattr(in_flight.InFlight, "ended", watch)
    process_due()
    assert {json.dumps(it["data"]) for it in published()} == {'{"handled": true}', '{"n": 1}'}


def test_receipts_of_an_order_key_wait_for_the_one_that_is_enriched(tenant: Tenant, crm: Receiver) -> None:
    crm.script("/", answer("slow"))
    enrich = {"url": crm.url("/"), "max_concurrency": 1}
    handlers = [
        {"handler": "publish", "pattern": {"data": {"n": [1, 3]}}, "enrich": enrich},
        {"handler": "publish", "transform": {"template": "<$.body.n>"}},
    ]
    source = make_source(tenant_id=tenant.pk, handlers=handlers)
    for number in (1, 2, 3):
        make_receipt(source, body=orjson.dumps({"n": number}), order_key="k")
    for _ in range(5):
        make_due()
        process_due()
    assert [it["data"] for it in published()] == ["slow", 2, "slow"]


def test_receipts_beyond_the_limits_wait_for_a_call_to_end(
    tenant: Tenant, crm: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight, "MAX_QUEUED", 1)
    enrich = {"url": crm.url("/"), "max_concurrency": 2}
    source = make_source(tenant_id=tenant.pk, handlers=[{"handler": "publish", "enrich": enrich}])
    for _ in range(5):
        make_receipt(source)
    for _ in range(6):
        make_due()
        process_due()
    assert Receipt.objects.filter(processed_at__isnull=False, claims=0).count() == 5
    assert (len(crm.arrivals), Event.objects.count()) == (5, 5)


def test_source_without_steps_keeps_no_history(tenant: Tenant) -> None:
    receipt = received(tenant, {"n": 1}, {"pattern": {"data": {"n": [1]}}})
    process_due()
    receipt.refresh_from_db()
    assert (receipt.history, receipt.state) == ([], "processed")
    assert steps_of(receipt) == []


# Over REST.


def create(tenant: Tenant, handler: dict[str, Any], **fields: Any) -> Any:
    body = {"scheme": "none", "handlers": [{"handler": "publish", **handler}], **fields}
    return make_client(tenant).post(f"{API}/sources/", body, format="json")


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        ({"enrich": 5}, "enrich must be an object"),
        ({"enrich": {}}, "enrich.url is required"),
        ({"enrich": {"url": "ftp://example.com/"}}, "enrich.url must begin with https://"),
        ({"enrich": {"url": "https://<$.body.host>/"}}, "paths stand behind the host"),
        ({"enrich": {"url": "https://example.com/<$.body..x>"}}, "enrich.url"),
        ({"enrich": {"url": "https://example.com/", "method": "DELETE"}}, "enrich.method must be one of"),
        ({"enrich": {"url": "https://example.com/", "method": "GET", "body": "x"}}, "a GET has no body"),
        ({"enrich": {"url": "https://example.com/", "method": "GET", "jsonata": "1"}}, "enrich.jsonata: a GET"),
        ({"enrich": {"url": "https://example.com/", "jsonata": "1", "body": "x"}}, "body or jsonata, not both"),
        ({"enrich": {"url": "https://example.com/", "jsonata": 5}}, "enrich.jsonata: takes an expression"),
        ({"enrich": {"url": "https://example.com/", "jsonata": "body..id"}}, "enrich.jsonata: "),
        ({"enrich": {"url": "https://example.com/", "headers": {"host": "x"}}}, "enrich.headers"),
        ({"enrich": {"url": "https://example.com/", "headers": ["x"]}}, "enrich.headers must be an object"),
        ({"enrich": {"url": "https://example.com/", "timeout_seconds": 31}}, "enrich.timeout_seconds"),
        ({"enrich": {"url": "https://example.com/", "retries": True}}, "enrich.retries"),
        ({"enrich": {"url": "https://example.com/", "max_concurrency": 0}}, "enrich.max_concurrency"),
        ({"enrich": {"url": "https://example.com/", "uri": "x"}}, "enrich: 'uri' is unknown"),
        ({"transform": {}}, "transform.template is required"),
        ({"transform": {"template": "{"}}, "transform.template"),
        ({"transform": {"template": "<x>"}}, "<x> is not an input path"),
        ({"transform": {"template": "<x>", "input_paths": {"x": "y"}}}, "transform.input_paths"),
        ({"transform": {"template": "<$.body>", "type": "a b"}}, "transform.type"),
        ({"handler": "log", "transform": {"template": "<$.body>"}}, "takes no steps"),
        ({"enrich": {"url": "http://10.0.0.1/"}}, ""),
    ],
)
def test_steps_that_cannot_work_are_refused(tenant: Tenant, handler: dict[str, Any], problem: str) -> None:
    response = create(tenant, handler)
    assert response.status_code == 400, response.content
    error = response.json()["errors"][0]
    assert error["field"].startswith("handlers")
    assert problem in error["detail"]


def test_steps_of_the_guide_are_accepted(tenant: Tenant, dns: DnsServer) -> None:
    dns.default = Answer(("93.184.215.14",))
    blocks = [json.loads(it) for it in re.findall(r"^```json\n(.*?)^```", GUIDE.read_text(), re.M | re.S)]
    (handler,) = [it for it in blocks if isinstance(it, dict) and "enrich" in it]
    assert create(tenant, handler, credentials={"crm": "x"}).status_code == 201


def test_credentials_of_headers_are_encrypted_required_and_kept(tenant: Tenant, crm: Receiver) -> None:
    handler = {"enrich": {"url": crm.url("/"), "headers": {"authorization": "Bearer <credentials.crm>"}}}
    missing = create(tenant, handler).json()["errors"]
    assert [it["field"] for it in missing] == ["credentials.crm"]
    created = create(tenant, handler, credentials={"crm": "s3cret"})
    assert (created.status_code, b"s3cret" in created.content) == (201, False)
    assert created.json()["handlers"] == [{"handler": "publish", **handler}]
    source = Source.objects.get()
    assert credentials_of(source) == {"crm": "s3cret"}
    client = make_client(tenant)
    path = f"{API}/sources/{source.public_id}/"
    assert client.patch(path, {"name": "CRM"}, format="json").status_code == 200
    assert credentials_of(Source.objects.get()) == {"crm": "s3cret"}
    unknown = client.patch(path, {"credentials": {"other": "x"}}, format="json")
    assert unknown.json()["errors"][0]["field"] == "credentials.other"
    assert client.patch(path, {"handlers": [{"handler": "publish"}]}, format="json").status_code == 200


def test_message_is_published_as_what_an_expression_makes_of_it(tenant: Tenant) -> None:
    expression = "{'id': body.orderId, 'total': $sum(body.lines.price), 'from': source}"
    body = {"orderId": "A-17", "lines": [{"price": 2}, {"price": 3}]}
    receipt = received(tenant, body, {"transform": {"jsonata": expression, "type": "order.new"}})
    process_due()
    (event,) = published()
    assert event["data"] == {"id": "A-17", "total": 5, "from": event["source"]}
    assert ("transform", "transformed") in steps_of(receipt)


def test_message_for_which_an_expression_has_no_value_is_dead_with_the_reason(tenant: Tenant) -> None:
    receipt = received(tenant, {"n": 1}, {"transform": {"jsonata": "body.missing"}})
    process_due()
    receipt.refresh_from_db()
    assert receipt.dead_at is not None
    assert "no value" in receipt.last_error


def test_expression_of_a_source_that_cannot_be_parsed_is_refused_with_its_place(tenant: Tenant) -> None:
    handler = {"handler": "publish", "transform": {"jsonata": "body..id"}}
    fields = {"name": "s", "scheme": "none", "handlers": [handler]}
    refused = make_client(tenant).post(f"{API}/sources/", fields)
    assert refused.status_code == 400
    assert "transform.jsonata: " in refused.json()["detail"]
    assert "at character 6" in refused.json()["detail"]
