"""The admin's first page: whether all is well, and who is affected."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.admin import home
from config.status import parts
from config.status.parts import Part
from config.status.status import cached_status
from delivery.figures.measure import measure_backlog
from delivery.lifecycle.usage import fold
from delivery.models import Alert, AlertRule, Lane, UsageIncrement
from delivery.sending.attempt_stats import AttemptStats
from delivery.transports.outcome import Failure, Outcome
from tests.clock import time_of_test
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.delivery.factories_load import make_heartbeat
from tests.factories import make_endpoint, make_tenant
from tests.staff import staff

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_state() -> None:
    cached_status.clear()
    parts.readiness.clear()


def shown(client: Client, **query: str) -> str:
    response = client.get(reverse("admin:index"), query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def make_failing(failures: int = 9) -> Any:
    endpoint = make_endpoint(make_tenant())
    lane = {"tenant": endpoint.tenant, "failing_since": time_of_test(), "failures": failures, "open_count": 2}
    Lane.objects.update_or_create(endpoint=endpoint, defaults=lane)
    stats = AttemptStats()
    stats.add(endpoint.pk, [Outcome(time_of_test().timestamp(), 10, 503, Failure.STATUS)] * failures)
    stats.write()
    return endpoint


def test_page_names_the_failing_endpoint_why_it_fails_and_what_waits() -> None:
    endpoint = make_failing()
    UsageIncrement.objects.create(
        tenant_id=endpoint.tenant_id, day=time_of_test().date(), type="a", events=4, deliveries=4
    )
    fold()
    late = make_endpoint(make_tenant())
    make_delivery(make_event(late.tenant), late, next_attempt_at=time_of_test() - timedelta(minutes=17))
    for _ in range(3):
        make_dead_letter(make_delivery(make_event(late.tenant), late))
    measure_backlog()
    text = shown(staff("view_delivery"))
    for words in (
        "503 for 100 % of attempts",
        "1 endpoint failing",
        reverse("admin:subscriptions_endpoint_change", args=[endpoint.pk]),
        reverse("admin:subscriptions_endpoint_change", args=[late.pk]),
        "Retries exhausted",
        'aria-label="Throughput per hour, last day: events in 4; delivered 0"',
    ):
        assert words in text
    assert "First steps" not in text
    assert re.search(r'<td data-label="Overdue" class="wp-number">\d+ min', text)  # overdue


@pytest.mark.parametrize("period", ["hour", "day", "week", "month", "year", "\0"])
@pytest.mark.parametrize("order", ["failures", "late", "pending", "dead", ""])
def test_each_period_and_order_is_shown(period: str, order: str) -> None:
    make_failing()
    text = shown(staff("view_delivery"), period=period, order=order)
    assert f"Last {period if period.isalpha() else 'day'}" in text
    assert text.count("<figure>") == 6


def test_times_are_those_of_the_viewers_zone() -> None:
    client = staff("view_delivery")
    client.cookies["waypost_zone"] = "Asia%2FKolkata"
    assert "Times in Asia/Kolkata (UTC+05:30)" in shown(client)


def test_empty_platform_says_what_to_do_first() -> None:
    text = shown(staff("view_delivery"))
    assert "First steps" in text
    assert text.count(">to do<") == 5
    assert reverse("docs") in text
    make_endpoint(make_tenant())
    assert [it.is_done for it in home.first_steps()] == [True, False, True, False, False]


def test_firing_alerts_are_listed_the_most_urgent_first() -> None:
    for severity in ("warning", "critical"):
        rule = AlertRule.objects.create(name=f"Rule {severity}", condition="dead_letters", severity=severity)
        Alert.objects.create(
            rule=rule,
            subject_type="endpoint",
            subject="ep_1",
            subject_name="https://a.example",
            state="firing",
            since=time_of_test(),
            last_true_at=time_of_test(),
            message="Too many.",
        )
    text = shown(staff("view_delivery"))
    assert text.index("Rule critical") < text.index("Rule warning")
    assert "2 alerts firing" in text


def test_page_takes_no_more_queries_for_more_endpoints() -> None:
    client = staff("view_delivery")

    def queries() -> int:
        make_failing()
        measure_backlog()
        cached_status.clear()
        parts.readiness.clear()
        with CaptureQueriesContext(connection) as taken:
            shown(client)
        return len(taken)

    queries()
    assert queries() == queries()


def test_user_without_the_permission_sees_no_figures() -> None:
    assert "wp-verdict" not in shown(staff())


@pytest.mark.parametrize(
    ("tone", "alerts", "verdict", "words"),
    [
        ("good", [], "good", "All is well"),
        ("plain", [], "good", "All is well"),
        ("warn", [], "warn", "some things need attention"),
        ("good", ["Dead letters"], "warn", "some things need attention"),
        ("bad", [], "bad", "not well"),
    ],
)
def test_verdict_is_that_of_the_worst_part(tone: Any, alerts: list[str], verdict: str, words: str) -> None:
    found = home.verdict([Part("Broker", tone, "away")], alerts, [])
    assert found.tone == verdict
    assert words in found.words
    assert bool(found.reasons) == (verdict != "good")


def test_parts_tell_silent_workers() -> None:
    measure_backlog()
    states = {
        it.name: it for it in parts.platform_parts(cached_status.get(""), datetime.now(UTC) + timedelta(minutes=10))
    }
    assert states["Workers"].tone == "bad"
    assert states["Workers"].state.startswith("silent for")
    assert states["Database"].tone == "good"


def states_by_name() -> dict[str, Part]:
    return {it.name: it for it in parts.platform_parts(cached_status.get(""), datetime.now(UTC))}


def test_programs_are_judged_by_their_signs_of_life() -> None:
    measure_backlog()
    for role in ("web", "worker", "beat", "drain"):
        make_heartbeat(role)
    make_heartbeat("worker", machine="machine-2", reported_at=time_of_test() - timedelta(minutes=5))
    found = states_by_name()
    assert {name: found[name].state for name in ("Web servers", "Workers", "Periodic tasks")} == {
        "Web servers": "1 running",
        "Workers": "1 of 2 silent",
        "Periodic tasks": "1 running",
    }
    assert (found["Workers"].tone, found["Workers"].detail) == (
        "warn",
        "Silent: worker on machine-2",
    )
    assert found["Drains"].tone == "good"


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("worker", "Workers"),
        ("beat", "Periodic tasks"),
        ("drain", "Drains"),
        ("web", "Web servers"),
    ],
)
def test_program_that_is_silent_everywhere_is_bad(role: str, name: str) -> None:
    measure_backlog()
    make_heartbeat(role, reported_at=time_of_test() - timedelta(minutes=5))
    make_heartbeat("worker" if role == "web" else "web", pid=2)  # others have reported meanwhile
    found = states_by_name()[name]
    assert found.tone == "bad"
    assert found.state.startswith("silent for")


def test_program_that_no_machine_runs_is_bad() -> None:
    measure_backlog()
    make_heartbeat("web")
    found = states_by_name()
    assert [found[name].state for name in ("Workers", "Periodic tasks", "Drains")] == ["none running"] * 3


def test_running_workers_that_run_no_sweep_are_bad() -> None:
    measure_backlog()
    later = datetime.now(UTC) + timedelta(minutes=10)
    make_heartbeat("worker")
    states = {it.name: it for it in parts.platform_parts(cached_status.get(""), later)}
    assert states["Workers"].state.startswith("silent for")
