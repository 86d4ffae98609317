"""Plan limits over REST: single events, batches that fit in part, concurrent callers."""

import json
from collections.abc import Iterator

import pytest

from delivery.models import Event
from delivery.publishing import monthly_quota
from delivery.publishing.publisher import publish
from tests.factories import make_client, make_plan, make_tenant
from tests.threads import in_threads

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rate_clock_stopped")]

API = "/api/v1/events/"
BATCH = "application/cloudevents-batch+json"


@pytest.fixture(autouse=True)
def quotas() -> Iterator[None]:
    monthly_quota.forget()
    yield
    monthly_quota.forget()


def client_on(**plan):
    return make_client(make_tenant(plan=make_plan(**plan)), "publish")


def one(client, name="1"):
    return client.post(API, {"type": "a", "id": name, "data": 1})


def event(name):
    return {"specversion": "1.0", "type": "a", "id": name, "source": "/s"}


def batch(client, *names):
    return client.generic("POST", API, json.dumps([event(name) for name in names]), BATCH)


def statuses(response):
    return [item.get("error", {}).get("status", 202) for item in response.json()["data"]]


# Monthly quota


def test_publish_beyond_the_monthly_quota_is_a_402_with_the_reset_time():
    client = client_on(events_per_month=1)
    assert one(client, "1").status_code == 202
    refused = one(client, "2")
    assert refused.status_code == 402
    problem = refused.json()
    assert problem["code"] == "plan_exceeded"
    assert (problem["limit"], problem["allowed"], problem["used"]) == ("events_per_month", 1, 1)
    assert problem["resets_at"] == f"{monthly_quota.next_month():%Y-%m}-01T00:00:00Z"
    assert Event.objects.count() == 1


def test_repeat_does_not_count_against_the_monthly_quota():
    client = client_on(events_per_month=1)
    assert one(client).json()["duplicate"] is False
    assert one(client).json()["duplicate"] is True


def test_batch_partly_beyond_the_quota_accepts_the_first_and_reports_the_others():
    client = client_on(events_per_month=3)
    assert statuses(batch(client, "1", "2")) == [202, 202]
    response = batch(client, "1", "3", "4", "2", "5")
    assert response.status_code == 202
    assert statuses(response) == [202, 202, 402, 202, 402]
    assert (response.json()["accepted"], response.json()["rejected"]) == (3, 2)
    assert response.json()["data"][2]["error"]["limit"] == "events_per_month"


def test_batch_entirely_beyond_the_quota_is_a_402():
    client = client_on(events_per_month=0)
    response = batch(client, "1", "2")
    assert response.status_code == 402
    assert response["Content-Type"] == "application/problem+json"
    assert (response.json()["limit"], response.json()["rejected"], statuses(response)) == (
        "events_per_month",
        2,
        [402, 402],
    )


@pytest.mark.django_db(transaction=True)
def test_concurrent_callers_do_not_exceed_the_monthly_quota():
    tenant = make_tenant(plan=make_plan(events_per_month=25))
    clients = [make_client(tenant) for _ in range(4)]

    def publishes(client, name):
        return [one(client, f"{name}-{number}").status_code for number in range(10)]

    results = in_threads(*[lambda c=client, n=n: publishes(c, n) for n, client in enumerate(clients)])
    assert sorted(status for result in results for status in result) == [202] * 25 + [402] * 15
    assert Event.objects.count() == 25


def test_quota_far_from_the_limit_is_not_counted_on_every_request(django_assert_max_num_queries):
    tenant = make_tenant(plan=make_plan(events_per_month=10**6))
    assert not monthly_quota.is_near(tenant.id, 10**6, 1)
    with django_assert_max_num_queries(0):
        assert not any(monthly_quota.is_near(tenant.id, 10**6, 1000) for _ in range(900))
    assert monthly_quota.is_near(tenant.id, 10**6, 100_000)


def test_publish_in_the_callers_transaction_is_not_limited():
    tenant = make_tenant(plan=make_plan(events_per_month=0, publish_rate=1))
    assert [result.error for result in publish(tenant, [{"type": "a", "data": 1}] * 3)] == [None] * 3


# Publish rate


def test_publish_beyond_the_rate_is_a_429_with_retry_after():
    client = client_on(publish_rate=1)
    assert one(client, "1").status_code == 202
    refused = one(client, "2")
    assert refused.status_code == 429
    assert refused["Retry-After"] == "1"
    problem = refused.json()
    assert problem["code"] == "rate_limited"
    assert (problem["limit"], problem["allowed"], problem["used"]) == ("publish_rate", 1, 1)
    assert problem["resets_at"]


def test_batch_partly_beyond_the_rate_accepts_the_first():
    client = client_on(publish_rate=2)
    response = batch(client, "1", "2", "3", "4")
    assert statuses(response) == [202, 202, 429, 429]
    again = batch(client, "5", "6", "7", "8")
    assert set(statuses(again)[1:]) == {429}


def test_batch_entirely_beyond_the_rate_is_a_429_with_retry_after():
    client = client_on(publish_rate=1)
    one(client)
    response = batch(client, "2", "3")
    assert response.status_code == 429
    assert response["Retry-After"] == "1"


# Event size


@pytest.mark.parametrize("form", ["one", "batch"])
def test_event_beyond_the_plans_size_is_a_413_with_the_limit(form):
    client = client_on(max_event_bytes=300)
    large = {**event("2"), "data": "x" * 300}
    if form == "one":
        response = client.generic("POST", API, json.dumps(large), "application/cloudevents+json")
        problem = response.json()
    else:
        response = client.generic("POST", API, json.dumps([event("1"), large]), BATCH)
        assert statuses(response) == [202, 413]
        problem = response.json()["data"][1]["error"]
    assert problem["status"] == 413
    assert (problem["limit"], problem["allowed"]) == ("max_event_bytes", 300)
    assert problem["used"] > 300


@pytest.mark.parametrize("publishes", [one, batch])
def test_response_tells_what_is_left_of_the_rate(publishes):
    client = client_on(publish_rate=50)
    assert publishes(client, "1")["RateLimit-Policy"] == '"publish_rate";q=50;w=1'
    left = int(publishes(client, "2")["RateLimit"].removeprefix('"publish_rate";r=').removesuffix(";t=1"))
    assert 0 < left <= 50


def test_rate_that_is_used_up_has_nothing_left_until_retry_after():
    client = client_on(publish_rate=1)
    one(client, "1")
    refused = one(client, "2")
    assert (refused["Retry-After"], refused["RateLimit"]) == ("1", '"publish_rate";r=0;t=1')


def test_response_without_a_publish_rate_has_no_rate_limit():
    assert "RateLimit" not in one(client_on(), "1")
