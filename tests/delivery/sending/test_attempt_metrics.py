"""Settled attempts are counted by outcome and kind; deliveries by their age, apart for healthy endpoints."""

import os
import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest

from delivery import notify
from delivery.lanes.lane import LeasedLane
from delivery.lanes.lane_rows import shift
from delivery.models import Delivery
from delivery.publishing.publisher import publish
from delivery.replaying.resend import resend
from delivery.sending.attempt_metrics import count_attempts, kind_of
from delivery.sending.drain import deliver_due
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from tests.delivery.factories_lanes import START, make_claimed, make_lane
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.metrics import metric
from tests.receiver import Receiver
from webhooks.wire.ids import new_id

AGE = "waypost_ingestion_to_delivered_seconds"
FIRST = "waypost_ingestion_to_first_attempt_seconds_count"


def delivery_at(moment: float) -> UUID:
    """Return the id of a delivery that was created then."""
    return UUID(int=int(moment * 1000) << 80 | new_id().int & (2**80 - 1))


def ended(created_at: float, outcome: Outcome, **changes: Any) -> tuple[InFlight, Outcome]:
    claimed = make_claimed(**changes)._replace(id=delivery_at(created_at))
    return InFlight(claimed, new_id(), (), new_id(), "https://example.com/"), outcome


def delivered(seconds_after: float = 0.0, ms: int = 20, **changes: Any) -> Outcome:
    return Outcome(START + seconds_after, ms, status=200, **changes)


def ages(health: str) -> float:
    return metric(f"{AGE}_count", health=health)


def count(lane: LeasedLane | None, *attempts: tuple[InFlight, Outcome]) -> dict[str, float]:
    """Count these attempts, and return by how much the counts of ages have grown."""
    names = ("healthy", "hindered")
    before = {name: ages(name) for name in names} | {"first": metric(FIRST)}
    count_attempts([(new_id(), attempts, lane)])
    after = {name: ages(name) for name in names} | {"first": metric(FIRST)}
    return {name: after[name] - before[name] for name in before if after[name] != before[name]}


def attempts(outcome: str, kind: str) -> float:
    return metric("waypost_attempts_total", outcome=outcome, kind=kind)


def test_attempts_are_counted_by_outcome_and_kind() -> None:
    names = [("delivered", "first"), ("timeout", "first"), ("delivered", "retry"), ("status", "replay")]
    before = [attempts(*name) for name in names]
    count(
        make_lane(),
        ended(START, delivered()),
        ended(START, delivered(failure=Failure.TIMEOUT)),
        ended(START, delivered(), attempts=1, step=1),
        ended(START, delivered(failure=Failure.STATUS), attempts=3, is_replayed=True),
    )
    assert [attempts(*name) - old for name, old in zip(names, before, strict=True)] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "first"),
        ({"attempts": 1, "step": 1}, "retry"),
        ({"attempts": 1}, "retry"),  # its worker died before the attempt was recorded
        ({"attempts": 2, "is_replayed": True}, "replay"),
        ({"is_replayed": True}, "replay"),
        ({"attempts": 3, "step": 1, "is_replayed": True}, "retry"),
    ],
)
def test_kind_follows_from_the_attempts_before(changes: dict[str, Any], kind: str) -> None:
    assert kind_of(make_claimed(**changes)) == kind


def test_age_is_that_from_the_creation_to_the_end_of_the_attempt() -> None:
    before = metric(f"{AGE}_sum", health="healthy")
    count(make_lane(), ended(START, delivered(0.5, ms=250)))
    assert metric(f"{AGE}_sum", health="healthy") - before == pytest.approx(0.75, abs=0.002)


def test_delivery_to_a_healthy_endpoint_counts_as_healthy() -> None:
    assert count(make_lane(), ended(START, delivered())) == {"healthy": 1, "first": 1}


def test_late_delivery_to_a_healthy_endpoint_counts_as_healthy() -> None:
    assert count(make_lane(), ended(START, delivered(60))) == {"healthy": 1, "first": 1}


def test_retry_slow_response_and_order_are_of_the_endpoint() -> None:
    assert count(make_lane(), ended(START, delivered(), attempts=1, step=1)) == {"hindered": 1}
    assert count(make_lane(), ended(START, delivered(ms=1_001))) == {"hindered": 1, "first": 1}
    assert count(make_lane(ordering="endpoint"), ended(START, delivered())) == {"hindered": 1, "first": 1}
    assert count(None, ended(START, delivered())) == {"hindered": 1, "first": 1}


def test_failed_attempt_has_no_age_of_delivery() -> None:
    assert count(make_lane(), ended(START, delivered(failure=Failure.STATUS))) == {"first": 1}


def test_replayed_delivery_has_no_age() -> None:
    assert count(make_lane(), ended(START - 9_000, delivered(), is_replayed=True)) == {}


def test_what_was_created_before_an_outage_ended_is_hindered_and_what_came_after_is_not() -> None:
    lane = make_lane()
    lane.recover(START, START + 10)
    found = count(lane, ended(START + 9, delivered(11)), ended(START + 10.5, delivered(11)))
    assert found == {"healthy": 1, "hindered": 1, "first": 2}


def test_what_was_created_before_a_requested_pause_ended_is_hindered() -> None:
    lane = make_lane()
    lane.wait(START + 5, START, 503)
    lane.on_started(1, START + 6)
    assert count(lane, ended(START + 1, delivered(6))) == {"hindered": 1, "first": 1}


def test_time_in_which_only_the_rate_limit_holds_deliveries_back_is_counted() -> None:
    lane = make_lane(rate_limit=1.0, rate_burst=1)
    assert lane.pop_throttled(START, has_more=True) == 0.0
    lane.on_started(1, START)
    assert lane.pop_throttled(START, has_more=True) == 0.0  # from now on
    assert lane.pop_throttled(START + 0.4, has_more=True) == pytest.approx(0.4)
    assert lane.pop_throttled(START + 1.0, has_more=True) == pytest.approx(0.6)
    assert lane.pop_throttled(START + 2.0, has_more=True) == 0.0
    assert count(lane, ended(START + 0.2, delivered(1.0))) == {"hindered": 1, "first": 1}


def test_time_without_deliveries_is_not_throttled() -> None:
    lane = make_lane(rate_limit=1.0, rate_burst=1)
    lane.on_started(1, START)
    lane.pop_throttled(START, has_more=False)
    assert lane.pop_throttled(START + 0.5, has_more=False) == 0.0


def test_clock_that_goes_back_moves_what_is_kept_with_it() -> None:
    lane = make_lane(rate_limit=1.0, rate_burst=1)
    lane.recover(START, START + 10)
    lane.on_started(1, START)
    lane.pop_throttled(START, has_more=True)
    shift(lane, -100)
    assert (lane.hindered_until, lane.throttled_since) == (START - 90, START - 100)


@pytest.mark.django_db(transaction=True)
def test_drain_counts_what_it_delivers_and_a_resend_is_a_replay(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)
    names = ("waypost_claim_deliveries_sum", "waypost_settle_attempts_sum")
    with Receiver() as receiver:
        tenant = make_subscription(make_endpoint(make_tenant(), url=receiver.script("/in", 200))).tenant
        before = [attempts("delivered", "first"), attempts("delivered", "replay"), *map(metric, names)]
        publish(tenant, [{"type": "a"}, {"type": "a"}])
        deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)
        resend(Delivery.objects.select_related("endpoint", "tenant")[0], "test")
        deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)
    after = [attempts("delivered", "first"), attempts("delivered", "replay"), *map(metric, names)]
    assert [new - old for new, old in zip(after, before, strict=True)] == [2, 1, 3, 3]


BY_ENDPOINT = """
import django
django.setup()
from delivery import metrics
from delivery.sending.attempt_metrics import count_attempts
from tests.delivery.sending.test_attempt_metrics import START, delivered, ended
from tests.delivery.factories_lanes import make_lane
from config.metrics.exposition import counters
lane = make_lane()
count_attempts([(lane.target.endpoint_id, [ended(START, delivered())], lane)])
metrics.throttled(2.0, lane.target.tenant_id, lane.target.endpoint_id)
print(counters().decode())
"""


def test_setting_adds_tenant_and_endpoint_to_the_metrics_of_attempts() -> None:
    environment = {**os.environ, "WAYPOST_METRICS_BY": "endpoint"}
    done = subprocess.run(
        [sys.executable, "-c", BY_ENDPOINT], env=environment, capture_output=True, text=True, check=True
    )
    for name in ("waypost_attempts_total", f"{AGE}_count", "waypost_throttled_seconds_total"):
        (line,) = [it for it in done.stdout.splitlines() if it.startswith(f"{name}{{")]
        assert 'tenant="tnt_' in line
        assert 'endpoint="ep_' in line
