"""Test which settled deliveries are asked for results, while their lanes are leased and afterwards."""

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from django.utils import timezone

from delivery.lanes.clock import Clock
from delivery.lanes.leased_lanes import LeasedLanes
from delivery.sending.results import SuccessResults
from delivery.sql.settle import Settlement
from delivery.transports.in_flight import InFlight
from tests.delivery.factories_lanes import make_in_flight, make_lane
from tests.factories import make_endpoint, make_subscription, make_tenant
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db


def settlement_of(attempt: InFlight) -> Settlement:
    it = attempt.claimed
    at = timezone.now() - timedelta(seconds=1)
    return Settlement(it.id, attempt.token, it.endpoint_id, "delivered", 0.0, "", new_id(), 1, at, 5, 200, "", None)


def asked(attempt: InFlight, lanes: dict[UUID, Any] | None = None) -> bool:
    """Return whether the settled delivery is asked for results."""
    results = SuccessResults(cast(LeasedLanes, lanes or {}), Clock())
    return bool(results.may_have_results([attempt], [settlement_of(attempt)]))


@pytest.mark.parametrize("has_on_success", [True, False])
def test_attempt_whose_lane_is_leased_no_more_knows_whether_its_endpoint_names_another(has_on_success: bool) -> None:
    attempt = make_in_flight()._replace(tenant_id=new_id(), has_on_success=has_on_success)
    assert asked(attempt) is has_on_success


def test_delivery_of_which_nothing_is_known_is_asked() -> None:
    assert asked(make_in_flight())


def test_change_of_the_endpoint_counts_while_its_lane_is_leased() -> None:
    attempt = make_in_flight()._replace(tenant_id=new_id(), has_on_success=False)
    lane = make_lane(endpoint_id=attempt.claimed.endpoint_id, has_on_success=True)
    assert asked(attempt, {attempt.claimed.endpoint_id: lane})


def test_subscriber_of_the_tenant_counts_without_a_lane() -> None:
    tenant = make_tenant()
    make_subscription(make_endpoint(tenant), event_types=["waypost.delivery.succeeded"])
    attempt = make_in_flight()._replace(has_on_success=False)
    assert asked(attempt._replace(tenant_id=tenant.pk))
    assert not asked(attempt._replace(tenant_id=make_tenant().pk))
