"""A drain that is killed at any statement of settling publishes the result of each delivery exactly once."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from delivery import notify
from delivery.fan_out import deferred
from delivery.lifecycle import sweep
from delivery.models import DeadLetter, Delivery, Event, Lane, PendingResult
from delivery.operational import publish_results
from delivery.publishing.publisher import publish
from delivery.sending.drain import deliver_due
from delivery.sql import dead_letters, results, settle
from subscriptions.models import Endpoint
from tests import receiver as scripts
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)

MOST_SECONDS = 60.0  # that one drain may take; it has work for some milliseconds


@pytest.fixture(autouse=True)
def loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    for starter in (notify.drain_starter, notify.fan_out_starter, notify.result_starter):
        monkeypatch.setattr(starter, "notify", lambda: None)
        monkeypatch.setattr(starter, "send", lambda: True)


def drain_until(step: int) -> None:
    """Deliver what is due, and kill this process before one step of settling; the commit is followed by one, too."""
    taken = 0

    def killing(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal taken
            taken += 1
            if taken == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        return call

    for module in (settle, results, dead_letters):
        module.run = killing(module.run)  # type: ignore[attr-defined]
    notify.result_starter.notify = killing(lambda: None)  # type: ignore[method-assign]
    deliver_due(idle_timeout=0.1, seconds=MOST_SECONDS, stopping=lambda: False)


def is_killed(step: int) -> bool:
    """Run a drain in a process of its own; return whether it was killed before this step."""
    connection.close()
    process = multiprocessing.get_context("fork").Process(target=drain_until, args=(step,), daemon=True)
    process.start()
    process.join(MOST_SECONDS)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


def recover() -> None:
    """Make what the killed drain has left due again, as after the time of its claims and leases."""
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.filter(state="sending").update(claimed_until=past)
    Lane.objects.update(due_at=past)
    sweep.recover()
    Delivery.objects.update(claims=0)  # many crashes in a row would count as those of the delivery
    Delivery.objects.filter(state="pending").update(next_attempt_at=past)
    Lane.objects.update(due_at=past, low_water_mark=None, circuit_open_until=None, open_count=0)


def test_drain_killed_at_any_step_of_settling_publishes_each_result_once(receiver: Receiver) -> None:
    tenant = make_tenant()
    records = make_endpoint(tenant, url=receiver.url("/records"))
    changes: dict[str, Any] = {"on_success": records, "on_failure": records, "retry_plan": [1] * 50}
    good = make_endpoint(tenant, url=receiver.url("/good"), **changes)
    gone = make_endpoint(tenant, url=receiver.script("/gone", scripts.status(410)), **changes)
    for endpoint in (good, gone):
        make_subscription(endpoint, event_types=["order.created"])
    published = publish(tenant, [{"type": "order.created", "data": number} for number in range(3)])
    step = 1
    while is_killed(step):
        step += 1
        recover()
    assert step >= 5
    assert PendingResult.objects.count() == len(published) + _dead(gone)
    publish_results.run()
    publish_results.run()
    deferred.run()
    for event_type, count in (("waypost.delivery.succeeded", len(published)), ("waypost.delivery.failed", _dead(gone))):
        about = list(Event.objects.filter(type=event_type).values_list("about", flat=True))
        assert len(about) == len(set(about)) == count
    assert Delivery.objects.filter(endpoint=records).count() == len(published) + _dead(gone)
    assert set(Delivery.objects.filter(endpoint=good).values_list("state", flat=True)) == {"delivered"}


def _dead(endpoint: Endpoint) -> int:
    """Return how many deliveries have died; the first one disables the endpoint, and the others wait."""
    return DeadLetter.objects.filter(delivery__endpoint=endpoint).count()
