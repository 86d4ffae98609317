"""Against a real Valkey; the clock of the process is faked where it matters, Valkey's own is not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as configured

from config.local import embedded
from delivery.publishing import publish_rate


@pytest.fixture(autouse=True)
def valkey() -> Iterator[None]:
    if configured.WAYPOST_EMBEDDED_BROKER:
        embedded.attach(embedded.VALKEY, Path(configured.WAYPOST_DATA))
    publish_rate.forget()
    yield
    publish_rate.forget()


def test_one_second_is_there_at_once_and_no_more():
    tenant = uuid4()
    granted = publish_rate.take(tenant, 100, 250)
    assert granted.count == 100
    assert 0 < granted.wait <= 0.011
    assert publish_rate.take(tenant, 100, 1).count <= 1


def test_who_has_none_left_is_told_how_long_without_asking_again(monkeypatch):
    tenant = uuid4()
    assert publish_rate.take(tenant, 1, 1).count == 1
    refused = publish_rate.take(tenant, 1, 1)
    assert refused.count == 0
    assert 0 < refused.wait <= 1

    def unasked(*_: Any) -> Any:
        raise AssertionError("it was asked")

    monkeypatch.setattr(publish_rate, "_fetch", unasked)
    assert publish_rate.take(tenant, 1, 1).count == 0


def test_tokens_are_fetched_ahead_so_that_most_requests_ask_nobody(monkeypatch):
    tenant, asked = uuid4(), []
    fetch = publish_rate._fetch
    monkeypatch.setattr(publish_rate, "_fetch", lambda *given: asked.append(given) or fetch(*given))
    assert sum(publish_rate.take(tenant, 1000, 1).count for _ in range(300)) == 300
    assert len(asked) <= 4


def test_two_processes_share_one_bucket():
    tenant, taken = uuid4(), 0
    for _ in range(4):
        publish_rate.forget()  # another process, which has fetched nothing
        taken += publish_rate.take(tenant, 20, 10).count
    assert 20 <= taken <= 22


def test_tenants_have_buckets_of_their_own():
    assert [publish_rate.take(uuid4(), 1, 1).count for _ in range(3)] == [1, 1, 1]


def test_while_valkey_is_away_nobody_is_held_up_and_it_is_not_asked_each_time(settings, tmp_path):
    settings.CELERY_BROKER_URL = f"redis+socket://{tmp_path}/nobody"
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
def test_the_address_of_the_broker_is_understood(url, where):
    known = publish_rate._client(url).connection_pool.connection_kwargs
    assert {name: known[name] for name in where} == where


def rate_limit_errors() -> float:
    return float(publish_rate.telemetry.RATE_LIMIT_ERRORS._value.get())
