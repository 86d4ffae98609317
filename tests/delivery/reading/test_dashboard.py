"""The numbers of the admin's first page."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from delivery.models import Lane
from delivery.reading import dashboard
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import make_endpoint, make_tenant
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)


def test_states_count_the_last_hour() -> None:
    endpoint = make_endpoint(make_tenant())
    for age, state in [(5, "delivered"), (10, "delivered"), (20, "pending"), (90, "dead")]:
        event = make_event(endpoint.tenant, created_at=NOW - timedelta(minutes=age))
        make_delivery(event, endpoint, state=state)
    counts = {share.name: share.count for share in dashboard.states(NOW)}
    assert counts == {"pending": 1, "sending": 0, "delivered": 2, "dead": 0, "cancelled": 0, "superseded": 0}


def test_count_at_its_bound_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = make_endpoint(make_tenant())
    for _ in range(3):
        make_delivery(make_event(endpoint.tenant), endpoint)
    monkeypatch.setattr(dashboard, "MAX_COUNTED", 2)
    pending = dashboard.states(datetime.now(UTC))[0]
    assert (pending.count, pending.is_lower_bound) == (2, True)


def test_overdue_is_the_longest_wait_of_the_free_due_lanes() -> None:
    tenant = make_tenant()
    assert dashboard.overdue(NOW) is None
    for seconds, owner in ((5, None), (90, None), (-60, None), (600, new_id())):
        due_at = NOW - timedelta(seconds=seconds)
        lane = {"tenant": tenant, "due_at": due_at, "owner": owner}
        Lane.objects.update_or_create(endpoint=make_endpoint(tenant), defaults=lane)
    assert dashboard.overdue(NOW) == timedelta(seconds=90)


def test_overdue_ignores_paused_endpoints() -> None:
    endpoint = make_endpoint(make_tenant())
    Lane.objects.update_or_create(endpoint=endpoint, defaults={"tenant": endpoint.tenant, "endpoint_inactive": True})
    make_delivery(make_event(endpoint.tenant), endpoint, next_attempt_at=NOW - timedelta(hours=1))
    assert dashboard.overdue(NOW) is None


def test_causes_count_open_dead_letters_only() -> None:
    endpoint = make_endpoint(make_tenant())
    for changes in ({"cause": "responded_410"}, {"cause": "responded_410", "closed_at": NOW}, {"cause": "exhausted"}):
        make_dead_letter(make_delivery(make_event(endpoint.tenant), endpoint), **changes)
    assert {share.name: share.count for share in dashboard.causes() if share.count} == {
        "responded_410": 1,
        "exhausted": 1,
    }


def test_failing_endpoints_are_sorted_worst_first() -> None:
    tenant = make_tenant()
    lanes = []
    for failures in (3, 12, 0):
        since = NOW if failures else None
        values = {"failures": failures, "failing_since": since}
        lanes.append(
            Lane.objects.update_or_create(endpoint=make_endpoint(tenant), defaults={"tenant": tenant, **values})[0]
        )
    assert [*dashboard.failing()] == [lanes[1], lanes[0]]


def test_endpoints_that_reject_most_deliveries_are_listed_behind_failing_ones() -> None:
    tenant = make_tenant()
    lanes = [
        Lane.objects.update_or_create(endpoint=make_endpoint(tenant), defaults={"tenant": tenant, **values})[0]
        for values in ({"rejecting_since": NOW}, {"failures": 3, "failing_since": NOW})
    ]
    assert [*dashboard.failing()] == [lanes[1], lanes[0]]


def test_user_without_the_permission_sees_no_numbers() -> None:
    request = RequestFactory().get("/admin/")
    request.user = AnonymousUser()
    assert dashboard.dashboard(request, {"title": "x"}) == {"title": "x"}
