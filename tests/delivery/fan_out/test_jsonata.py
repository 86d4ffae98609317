"""Bodies by JSONata expressions: once for each delivery, in the request or by a worker, and at no neighbour's cost."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from delivery import notify
from delivery.fan_out import deferred
from delivery.models import DeadLetter, Delivery
from delivery.publishing.publisher import publish
from delivery.replaying.replays import ReplayFilter, run_slices, start
from subscriptions.models import Endpoint, Subscription, Tenant
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant
from webhooks.kit.jsonata.evaluator import Request
from webhooks.kit.jsonata.evaluators import Evaluators, EvaluatorUnavailable, evaluators
from webhooks.kit.jsonata.frames import Operation

pytestmark = pytest.mark.django_db

LOOP = "($f := function($n) { $f($n + 1) }; $f(1))"
BOMB = "$pad('x', 1000000000)"


@pytest.fixture(autouse=True)
def no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    for starter in (notify.drain_starter, notify.fan_out_starter, notify.replay_starter):
        monkeypatch.setattr(starter, "notify", lambda: None)
        monkeypatch.setattr(starter, "send", lambda: True)


@pytest.fixture
def warm() -> Iterator[Evaluators]:
    """An evaluator that is ready, so that requests do not defer."""
    evaluators().evaluate(Request(Operation.CHECK, "1"))
    return evaluators()


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def subscribe(tenant: Tenant, expression: str, **changes: Any) -> Subscription:
    transformer = {"jsonata": expression, **changes}
    return make_subscription(make_endpoint(tenant), event_types=["*"], transformer=transformer)


def bodies() -> list[Any]:
    return [json.loads(bytes(it.body or b"")) for it in Delivery.objects.order_by("id")]


@pytest.mark.usefixtures("warm")
def test_body_is_rendered_in_the_request_that_publishes(tenant: Tenant) -> None:
    subscribe(tenant, "{'total': $sum(data.lines.price)}")
    (result,) = publish(tenant, [{"type": "order.paid", "data": {"lines": [{"price": 1.5}, {"price": 2}]}}])
    assert (result.deliveries, result.is_deferred) == (1, False)
    assert bodies() == [{"total": 3.5}]


@pytest.mark.usefixtures("warm")
def test_result_is_computed_once_for_a_delivery_and_stays(tenant: Tenant) -> None:
    subscribe(tenant, "{'at': $millis(), 'random': $random()}")
    publish(tenant, [{"type": "order.paid"}])
    before = bytes(Delivery.objects.get().body or b"")
    Delivery.objects.update(state="dead", next_attempt_at=None)
    start(tenant, ReplayFilter(), by="ops")
    run_slices()
    assert bytes(Delivery.objects.get().body or b"") == before


def test_request_defers_what_no_evaluator_is_free_for_and_a_worker_renders_it(tenant: Tenant, warm: Evaluators) -> None:
    subscribe(tenant, "data.n")
    with warm._place(0), warm._place(0):
        (result,) = publish(tenant, [{"type": "order.paid", "data": {"n": 1}}])
    assert result.is_deferred
    deferred.run()
    assert bodies() == [1]


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize(("expression", "reason"), [(LOOP, "processor time"), (BOMB, "memory"), ("data.x", "no value")])
def test_expression_that_fails_is_a_dead_letter_and_other_endpoints_get_the_event(
    expression: str, reason: str, tenant: Tenant
) -> None:
    subscribe(tenant, expression)
    other = subscribe(tenant, "data.n")
    publish(tenant, [{"type": "order.paid", "data": {"n": 7}}])
    deferred.run()
    letter = DeadLetter.objects.get()
    assert letter.cause == "transformation_failed"
    assert reason in letter.reason
    assert bytes(Delivery.objects.get(endpoint=other.endpoint).body or b"") == b"7"


def test_tenant_beside_one_that_attacks_gets_its_deliveries_in_its_turn(tenant: Tenant, warm: Evaluators) -> None:
    attacker = make_tenant()
    for expression in (LOOP, BOMB):
        subscribe(attacker, expression)
    subscribe(tenant, "data.n")
    publish(attacker, [{"type": "a", "data": number} for number in range(5)])
    with warm._place(0), warm._place(0):
        publish(tenant, [{"type": "order.paid", "data": {"n": 7}}])
    deferred.run()
    assert [bytes(it.body or b"") for it in Delivery.objects.filter(tenant=tenant)] == [b"7"]
    letters = DeadLetter.objects.values_list("delivery__tenant", "cause")
    assert set(letters) == {(attacker.pk, "transformation_failed")}


def test_machine_that_is_too_busy_delays_a_slice_and_loses_nothing(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    subscribe(tenant, "data.n")
    settings.WAYPOST_FAN_OUT_STEPS = 0
    publish(tenant, [{"type": "order.paid", "data": {"n": 7}}])

    def busy(*_: object) -> None:
        raise EvaluatorUnavailable("busy")

    with monkeypatch.context() as patch:
        patch.setattr(evaluators(), "evaluate", busy)
        deferred.run()
    assert not Delivery.objects.exists()
    assert not DeadLetter.objects.exists()


@pytest.mark.usefixtures("warm")
def test_masks_of_the_endpoint_apply_before_the_expression(tenant: Tenant) -> None:
    endpoint = make_endpoint(tenant, masks=[{"path": "$.data.email", "action": "mask"}])
    make_subscription(endpoint, event_types=["*"], transformer={"jsonata": "data.email"})
    publish(tenant, [{"type": "user.created", "data": {"email": "ada@example.com"}}])
    assert bytes(Delivery.objects.get().body or b"") == b"***"


class TestApi:
    def create(self, tenant: Tenant, transformer: Any) -> Any:
        fields = {"endpoint": make_endpoint(tenant).public_id, "event_types": ["*"], "transformer": transformer}
        return make_client(tenant).post("/api/v1/subscriptions/", fields)

    def test_expression_is_stored_and_shown(self, tenant: Tenant) -> None:
        written = {"jsonata": "{'id': id}", "content_type": "application/json"}
        created = self.create(tenant, written)
        assert (created.status_code, created.json()["transformer"]) == (201, written)

    @pytest.mark.parametrize(
        ("transformer", "pointer", "text"),
        [
            ({"jsonata": "{'id': id"}, "#/transformer/jsonata", "before end of expression"),
            ({"jsonata": "data..x"}, "#/transformer/jsonata", "at character 6"),
            ({"jsonata": ""}, "#/transformer/jsonata", "1 to 16384 characters"),
            ({"jsonata": 5}, "#/transformer/jsonata", "1 to 16384 characters"),
            (
                {"jsonata": "id", "template": "<$.id>"},
                "#/transformer/template",
                "must be one of: content_type, jsonata",
            ),
            ({"jsonata": "id", "content_type": "x"}, "#/transformer/content_type", "media type"),
        ],
    )
    def test_expression_that_is_wrong_is_a_400_with_its_place(
        self, transformer: Any, pointer: str, text: str, tenant: Tenant
    ) -> None:
        refused = self.create(tenant, transformer)
        assert refused.status_code == 400
        (error,) = refused.json()["errors"]
        assert error["pointer"] == pointer
        assert text in error["detail"]

    def test_dry_run_shows_the_body_or_why_there_is_none(self, tenant: Tenant) -> None:
        endpoint: Endpoint = make_endpoint(tenant)
        client = make_client(tenant)
        body = {"endpoint": endpoint.public_id, "event": {"type": "a", "data": {"n": 2}}}
        for expression, shown, error in (("{'n': data.n * 2}", '{"n":4}', ""), ("$error('no')", None, "no")):
            response = client.post("/api/v1/subscriptions/test/", {**body, "transformer": {"jsonata": expression}})
            (result,) = response.json()["data"]
            assert (result["request"] and result["request"]["body"]) == shown
            assert error in result["transformation_error"]

    def test_platform_without_a_free_evaluator_is_a_503(self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        def busy(*_: object) -> None:
            raise EvaluatorUnavailable("busy")

        monkeypatch.setattr(evaluators(), "evaluate", busy)
        refused = self.create(tenant, {"jsonata": "id"})
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused["Retry-After"]


@pytest.mark.usefixtures("warm")
def test_error_that_quotes_a_nul_is_a_dead_letter_without_it(tenant: Tenant) -> None:
    subscribe(tenant, "$error(data.text)")
    publish(tenant, [{"type": "order.paid", "data": {"text": "no\0 customer"}}])
    deferred.run()
    assert DeadLetter.objects.get().reason.startswith("no customer")
