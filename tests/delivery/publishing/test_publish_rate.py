"""The publish rate on a real Valkey. Some tests replace the clock of the process, none replaces Valkey's."""

from typing import Any
from uuid import uuid4

import pytest

from delivery.publishing import publish_rate
from tests.metrics import metric

pytestmark = pytest.mark.usefixtures("rate_clock_stopped")


def test_take_allows_one_second_of_the_rate_at_once():
    tenant = uuid4()
    granted = publish_rate.take(tenant, 100, 250)
    assert granted.count == 100
    assert 0 < granted.wait <= 0.011
    assert publish_rate.take(tenant, 100, 1).count == 0


def test_take_from_an_empty_bucket_returns_the_wait_without_a_request(monkeypatch):
    tenant = uuid4()
    assert publish_rate.take(tenant, 1, 1).count == 1
    refused = publish_rate.take(tenant, 1, 1)
    assert refused.count == 0
    assert 0 < refused.wait <= 1

    def fail_on_request(*_: Any) -> Any:
        raise AssertionError("the limiter was called")

    monkeypatch.setattr(publish_rate, "_fetch", fail_on_request)
    assert publish_rate.take(tenant, 1, 1).count == 0


def test_take_prefetches_tokens(monkeypatch):
    tenant, calls = uuid4(), []
    fetch = publish_rate._fetch
    monkeypatch.setattr(publish_rate, "_fetch", lambda *given: calls.append(given) or fetch(*given))
    assert sum(publish_rate.take(tenant, 1000, 1).count for _ in range(300)) == 300
    assert len(calls) <= 4


def test_two_processes_share_one_bucket():
    tenant, accepted = uuid4(), 0
    for _ in range(4):
        publish_rate.forget()  # another process, which has fetched nothing
        accepted += publish_rate.take(tenant, 20, 10).count
    assert accepted == 20


def test_each_tenant_has_its_own_bucket():
    assert [publish_rate.take(uuid4(), 1, 1).count for _ in range(3)] == [1, 1, 1]


def test_take_without_valkey_allows_all_and_retries_rarely(settings, tmp_path):
    settings.CELERY_BROKER_URL = f"redis+socket://{tmp_path}/missing"
    before = rate_limit_errors()
    assert [publish_rate.take(uuid4(), 1, 50) for _ in range(5)] == [publish_rate.Granted(50)] * 5
    assert rate_limit_errors() == before + 1


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis+socket:///run/valkey.sock?virtual_host=3", {"path": "/run/valkey.sock", "db": 3}),
        ("redis://cache.example:6380/2", {"host": "cache.example", "port": 6380, "db": 2}),
    ],
)
def test_address_is_parsed_as_the_brokers(url, where):
    known = publish_rate._client(url).connection_pool.connection_kwargs
    assert {name: known[name] for name in where} == where


def rate_limit_errors() -> float:
    return metric("waypost_rate_limit_errors_total")


def test_left_is_what_the_bucket_and_the_process_have():
    tenant = uuid4()
    assert publish_rate.left(tenant, 1000) == 1000
    publish_rate.take(tenant, 1000, 400)
    assert publish_rate.left(tenant, 1000) == 600


def test_left_is_none_until_there_are_more():
    tenant = uuid4()
    publish_rate.take(tenant, 1, 1)
    publish_rate.take(tenant, 1, 1)
    assert publish_rate.left(tenant, 1) == 0
