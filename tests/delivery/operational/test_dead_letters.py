"""Each dead delivery is published once as waypost.delivery.dead, whatever it died of; operational ones are not."""

import ast
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.utils import timezone

from delivery import notify
from delivery.fan_out import deferred
from delivery.lifecycle.set_aside import set_aside
from delivery.lifecycle.sweep import recover, sweep
from delivery.models import DeadLetter, Delivery, Event, Lane
from delivery.operational.dead_letters import dead_letter
from delivery.publishing.publisher import publish
from delivery.replaying.replays import ReplayFilter, run_slices, start
from delivery.sending.drain import deliver_due
from delivery.sql.dead_letters import DeadLetterRow
from delivery.sql.due import mark_lanes_due
from delivery.sql.recovery.claims import MAX_UNSETTLED_CLAIMS
from subscriptions.endpoints.endpoints import change_endpoint, delete_endpoint
from subscriptions.models import Endpoint
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint, make_subscription
from tests.receiver import Receiver
from tests.statements import before_statements
from tests.test_architecture import SOURCES
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db

UNRENDERABLE = {"input_paths": {"n": "$.data.n"}, "template": "{<n>: 1}"}  # a number cannot be a name
PLAIN = {"type": "order.created", "data": {"n": 1}}
CAUSE = DeadLetter.Cause


@pytest.fixture(autouse=True)
def no_messages(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    for starter in (notify.drain_starter, notify.fan_out_starter, notify.replay_starter):
        monkeypatch.setattr(starter, "notify", lambda: None)
        monkeypatch.setattr(starter, "send", lambda: True)


@pytest.fixture
def endpoint() -> Endpoint:
    """Return an endpoint whose tenant subscribes to dead deliveries with another one."""
    endpoint = make_endpoint()
    make_subscription(make_endpoint(endpoint.tenant), event_types=["waypost.delivery.dead"])
    return endpoint


def pending(endpoint: Endpoint, **changes: Any) -> Delivery:
    return make_delivery(make_event(endpoint.tenant), endpoint, **changes)


def published() -> list[dict[str, Any]]:
    events = Event.objects.filter(type="waypost.delivery.dead").order_by("id")
    return [orjson.loads(bytes(it.body))["data"] for it in events]


def published_once(cause: str) -> bool:
    """Tell whether the one dead letter has this cause, and was published once."""
    letter = DeadLetter.objects.get()
    found = [(it["dead_letter"], it["cause"]) for it in published()]
    return (letter.cause, found) == (cause, [(letter.public_id, cause)])


def subscribe_unrenderable(endpoint: Endpoint) -> None:
    make_subscription(endpoint, event_types=["order.*"], transformer=UNRENDERABLE)


def fail_at_publish(endpoint: Endpoint, _settings: Any) -> None:
    subscribe_unrenderable(endpoint)
    publish(endpoint.tenant, [PLAIN])


def fail_at_deferred_fan_out(endpoint: Endpoint, settings: Any) -> None:
    subscribe_unrenderable(endpoint)
    settings.WAYPOST_FAN_OUT_STEPS = 0
    publish(endpoint.tenant, [PLAIN])
    deferred.run()


def fail_at_replay(endpoint: Endpoint, _settings: Any) -> None:
    make_event(endpoint.tenant, data={"n": 1}, created_at=timezone.now() - timedelta(hours=1))
    subscribe_unrenderable(endpoint)
    start(endpoint.tenant, ReplayFilter(scope="missing", endpoint=endpoint.id), by="ops")
    run_slices()


def wait_too_long(endpoint: Endpoint, _settings: Any) -> None:
    pending(endpoint, next_attempt_at=timezone.now() - timedelta(days=8))
    Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, endpoint_inactive=True)
    sweep()


def crash_the_worker(endpoint: Endpoint, _settings: Any) -> None:
    until = timezone.now() - timedelta(seconds=1)
    pending(endpoint, state="sending", token=new_id(), claimed_until=until, claims=MAX_UNSETTLED_CLAIMS)
    recover()


def be_set_aside(endpoint: Endpoint, _settings: Any) -> None:
    set_aside(pending(endpoint), "ops")


WITHOUT_ATTEMPT: list[tuple[str, Callable[[Endpoint, Any], None]]] = [
    (CAUSE.TRANSFORMATION_FAILED, fail_at_publish),
    (CAUSE.TRANSFORMATION_FAILED, fail_at_deferred_fan_out),
    (CAUSE.TRANSFORMATION_FAILED, fail_at_replay),
    (CAUSE.EXPIRED, wait_too_long),
    (CAUSE.CRASHED_WORKER, crash_the_worker),
    (CAUSE.SET_ASIDE, be_set_aside),
]
IN_A_DRAIN = {CAUSE.EXHAUSTED, CAUSE.RESPONDED_410, CAUSE.BODY_NOT_OBJECT, CAUSE.ENDPOINT_DELETED}


@pytest.mark.parametrize(("cause", "die"), WITHOUT_ATTEMPT)
def test_delivery_that_dies_without_an_attempt_is_published(
    endpoint: Endpoint, settings: Any, cause: str, die: Callable[[Endpoint, Any], None]
) -> None:
    die(endpoint, settings)
    assert published_once(cause)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("status", "cause"), [(500, CAUSE.EXHAUSTED), (410, CAUSE.RESPONDED_410)])
def test_delivery_whose_attempt_decides_is_published(
    receiver: Receiver, endpoint: Endpoint, status: int, cause: str
) -> None:
    Endpoint.objects.filter(pk=endpoint.pk).update(retry_plan=[])
    endpoint.http.url = receiver.script("/", status)
    endpoint.http.save()
    pending(endpoint)
    mark_lanes_due([endpoint.id])
    deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)
    assert published_once(cause)


@pytest.mark.django_db(transaction=True)
def test_delivery_without_a_place_for_the_credential_is_published(endpoint: Endpoint) -> None:
    change_endpoint(endpoint, {"auth": {"type": "body", "name": "key", "value": "s3cret-1"}})
    pending(endpoint, body=b"a text")
    mark_lanes_due([endpoint.id])
    deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)
    assert published_once(CAUSE.BODY_NOT_OBJECT)


@pytest.mark.django_db(transaction=True)
def test_delivery_to_a_deleted_endpoint_is_published(endpoint: Endpoint) -> None:
    pending(endpoint)
    delete_endpoint(endpoint)
    mark_lanes_due([endpoint.id])
    deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)
    assert published_once(CAUSE.ENDPOINT_DELETED)


def test_every_cause_of_a_dead_letter_is_tried_here() -> None:
    assert {cause for cause, _ in WITHOUT_ATTEMPT} | IN_A_DRAIN == set(CAUSE)


def test_functions_that_insert_dead_letters_are_called_by_those_that_publish_them_only() -> None:
    inserting = {
        f"{name}.{function}"
        for name, path in SOURCES.items()
        if name.startswith("delivery.sql.")
        for function in _functions_that_insert(ast.parse(path.read_text()))
    }
    assert len(inserting) == 4
    importers = {name for name, path in SOURCES.items() if inserting & _names_imported(ast.parse(path.read_text()))}
    assert importers == {"delivery.operational.dead_letters"}


def _functions_that_insert(module: ast.Module) -> set[str]:
    """Return the functions of a module that run a statement with INSERT_DEAD_LETTERS in it."""
    statements = {
        target.id
        for node in module.body
        if isinstance(node, ast.Assign) and "INSERT_DEAD_LETTERS" in _names(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return {it.name for it in module.body if isinstance(it, ast.FunctionDef) and statements & _names(it)}


def _names(node: ast.AST) -> set[str]:
    return {it.id for it in ast.walk(node) if isinstance(it, ast.Name)}


def _names_imported(module: ast.Module) -> set[str]:
    imports = [it for it in module.body if isinstance(it, ast.ImportFrom)]
    return {f"{it.module}.{alias.name}" for it in imports for alias in it.names}


def test_dead_letter_is_published_with_its_cause_and_last_attempt(endpoint: Endpoint) -> None:
    delivery = pending(endpoint, state="dead", attempts=10, last_status=500, last_error="status")
    dead_letter([DeadLetterRow(delivery.id, CAUSE.EXHAUSTED, None)])
    assert published() == [
        {
            "dead_letter": DeadLetter.objects.get().public_id,
            "delivery": delivery.public_id,
            "event": delivery.event.public_id,
            "event_type": "order.created",
            "endpoint": endpoint.public_id,
            "cause": "exhausted",
            "reason": "",
            "attempts": 10,
            "last_status": 500,
            "last_error": "status",
        }
    ]


def test_dead_operational_event_is_not_published(endpoint: Endpoint) -> None:
    event = make_event(endpoint.tenant, type="waypost.endpoint.failing")
    delivery = make_delivery(event, endpoint, state="dead")
    dead_letter([DeadLetterRow(delivery.id, CAUSE.EXHAUSTED, None)])
    assert list(Event.objects.all()) == [event]


def test_operational_event_whose_own_transformation_fails_ends_there(endpoint: Endpoint) -> None:
    of_attempts = {**UNRENDERABLE, "input_paths": {"n": "$.data.attempts"}}
    make_subscription(endpoint, event_types=["waypost.*"], transformer=of_attempts)
    dead_letter([DeadLetterRow(pending(endpoint, state="dead").id, CAUSE.EXHAUSTED, None)])
    for _ in range(3):
        deferred.run()
    assert DeadLetter.objects.filter(cause=CAUSE.TRANSFORMATION_FAILED).count() == 1
    assert len(published()) == 1


def test_no_dead_delivery_needs_no_statement(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[Any] = []
    before_statements(monkeypatch, statements.append)
    dead_letter([])
    assert statements == []
