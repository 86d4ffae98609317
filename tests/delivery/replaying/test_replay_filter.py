"""Parsing a replay filter from JSON; errors name the field."""

from typing import Any

import pytest
from django.utils import timezone

from delivery.replaying.replay_filter import DELIVERIES, ReplayFilter
from subscriptions.models import Endpoint
from tests.factories import make_endpoint, make_tenant
from webhooks.wire.ids import new_id, public

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


def test_filter_survives_a_round_trip_through_json(endpoint: Endpoint) -> None:
    replay_filter = ReplayFilter(
        ids=(endpoint.id,), endpoint=endpoint.id, cause="responded_410", type="a.b", since=timezone.now()
    )
    assert ReplayFilter.parse(replay_filter.as_json()) == replay_filter


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"ids": []}, "ids"),
        ({"ids": "all"}, "ids"),
        ({"ids": ["ep_x"]}, "ids"),
        ({"ids": [7]}, "ids"),
        ({"endpoint": "unknown"}, "endpoint"),
        ({"endpoint": 7}, "endpoint"),
        ({"cause": "bad luck"}, "cause"),
        ({"cause": ["responded_410"]}, "cause"),
        ({"type": "a\0b"}, "type"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2030-01-01T00:00:00"}, "since"),
        ({"until": "2030-13-01T00:00:00Z"}, "until"),
        ({"colour": "red"}, "colour"),
        ([], "filter"),
    ],
)
def test_invalid_field_is_named(given: Any, field: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the field is checked below)
        ReplayFilter.parse(given)
    assert refusal.value.args[0] == field


def test_id_of_the_right_kind_is_parsed(endpoint: Endpoint) -> None:
    assert ReplayFilter.parse({"endpoint": public("ep", endpoint.id)}).endpoint == endpoint.id


def test_endpoint_is_found_by_its_uid() -> None:
    endpoint = make_endpoint(uid="billing")
    assert ReplayFilter.parse({"endpoint": "billing"}, tenant=endpoint.tenant).endpoint == endpoint.id
    with pytest.raises(ValueError, match="endpoint"):
        ReplayFilter.parse({"endpoint": "billing"}, tenant=make_tenant())


def test_filter_of_events_has_its_own_fields() -> None:
    key = new_id()
    given = {"ids": [public("evt", key)], "source": "/shop", "subject": "a", "type": "b", "force": True}
    replay_filter = ReplayFilter.parse(given, "events")
    assert (replay_filter.ids, replay_filter.source, replay_filter.force) == ((key,), "/shop", True)
    assert ReplayFilter.parse(replay_filter.as_json(), "events") == replay_filter


@pytest.mark.parametrize(
    ("given", "scope", "field"),
    [
        ({"cause": "responded_410"}, "events", "cause"),
        ({"force": "yes"}, "missing", "force"),
        ({"force": True}, "dead_letters", "force"),
        ({"ids": [public("dl", new_id())]}, "events", "ids"),
        ({"ids": [public("evt", new_id())]}, "dead_letters", "ids"),
        ({"source": 7}, "events", "source"),
        ({"cause": "responded_410"}, DELIVERIES, "cause"),
        ({"ids": [public("evt", new_id())]}, DELIVERIES, "ids"),
    ],
)
def test_field_of_another_scope_is_named(given: Any, scope: str, field: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the field is checked below)
        ReplayFilter.parse(given, scope)
    assert refusal.value.args[0] == field
