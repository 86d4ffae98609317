"""Retry plans over REST, as lists of waits and by their growth."""

import pytest

from subscriptions.models import Endpoint
from tests.factories import URL, make_client, make_endpoint, make_tenant

pytestmark = pytest.mark.django_db

ENDPOINTS = "/api/v1/endpoints/"
GROWING = {"first": 10, "factor": 3, "cap": 300, "attempts": 6}


def fields_of(response):
    assert response.status_code == 400, response.content
    return [error["field"] for error in response.json()["errors"]]


def test_exponential_plan_is_stored_and_shown_as_its_waits():
    client = make_client(make_tenant())
    created = client.post(ENDPOINTS, {"url": URL, "retry_plan": GROWING}).json()
    assert created["retry_plan"] == [10, 30, 90, 270, 300]
    assert Endpoint.objects.get().retry_plan == [10, 30, 90, 270, 300]


def test_exponential_plan_doubles_up_to_a_day_by_default():
    client = make_client(make_tenant())
    created = client.post(ENDPOINTS, {"url": URL, "retry_plan": {"first": 43_200, "attempts": 4}}).json()
    assert created["retry_plan"] == [43_200, 86_400, 86_400]


def test_exponential_plan_ends_at_its_horizon():
    client = make_client(make_tenant())
    created = client.post(ENDPOINTS, {"url": URL, "retry_plan": {"first": 60, "horizon": 3600}}).json()
    assert created["retry_plan"] == [60, 120, 240, 480, 960]


def test_first_wait_above_the_default_cap_raises_the_cap():
    client = make_client(make_tenant())
    created = client.post(ENDPOINTS, {"url": URL, "retry_plan": {"first": 100_000, "attempts": 3}}).json()
    assert created["retry_plan"] == [100_000, 100_000]


def test_empty_plan_means_never_again_and_is_kept():
    created = make_client(make_tenant()).post(ENDPOINTS, {"url": URL, "retry_plan": []}).json()
    assert created["retry_plan"] == []
    assert Endpoint.objects.get().retry_plan == []


def test_plan_is_removed_by_null():
    tenant = make_tenant()
    path = f"{ENDPOINTS}{make_endpoint(tenant, retry_plan=[5]).public_id}/"
    client = make_client(tenant)
    assert client.patch(path, {"retry_plan": GROWING}).json()["retry_plan"][0] == 10
    assert client.patch(path, {"retry_plan": None}).json()["retry_plan"] is None


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ("exponential", "retry_plan"),
        (5, "retry_plan"),
        (True, "retry_plan"),
        ([5] * 51, "retry_plan"),
        ([5, 0], "retry_plan.1"),
        ([5, 604_801], "retry_plan.1"),
        ([5, None], "retry_plan.1"),
        ([[5]], "retry_plan.0"),
        ({"attempts": 5}, "retry_plan.first"),
        ({"first": 5}, "retry_plan.attempts"),
        ({**GROWING, "first": 0}, "retry_plan.first"),
        ({**GROWING, "first": "5"}, "retry_plan.first"),
        ({**GROWING, "first": 1.5}, "retry_plan.first"),
        ({**GROWING, "first": None}, "retry_plan.first"),
        ({**GROWING, "first": 604_801}, "retry_plan.first"),
        ({**GROWING, "factor": 0.5}, "retry_plan.factor"),
        ({**GROWING, "factor": 101}, "retry_plan.factor"),
        ({**GROWING, "factor": "2"}, "retry_plan.factor"),
        ({**GROWING, "factor": True}, "retry_plan.factor"),
        ({**GROWING, "factor": None}, "retry_plan.factor"),
        ({**GROWING, "factor": 2**63}, "retry_plan.factor"),
        ({**GROWING, "cap": 0}, "retry_plan.cap"),
        ({**GROWING, "cap": 9}, "retry_plan.cap"),
        ({**GROWING, "cap": 604_801}, "retry_plan.cap"),
        ({**GROWING, "attempts": 1}, "retry_plan.attempts"),
        ({**GROWING, "attempts": 52}, "retry_plan.attempts"),
        ({**GROWING, "attempts": "6"}, "retry_plan.attempts"),
        ({**GROWING, "horizon": 9}, "retry_plan.horizon"),
        ({**GROWING, "horizon": "9000"}, "retry_plan.horizon"),
        ({**GROWING, "horizon": 2**63}, "retry_plan.horizon"),
        ({**GROWING, "jitter": 1}, "retry_plan.jitter"),
    ],
)
def test_invalid_plan_is_a_400_that_names_the_field(plan, field):
    assert fields_of(make_client(make_tenant()).post(ENDPOINTS, {"url": URL, "retry_plan": plan})) == [field]
    assert not Endpoint.objects.exists()
