"""Fixtures of the tests of steps: no broker, a tenant, and a server that enriches."""

from collections.abc import Iterator
from typing import Any

import pytest

from delivery import notify
from subscriptions.models import Tenant
from tests.factories import make_tenant
from tests.receiver import Receiver
from webhooks.processing.steps.breakers import clear_breakers


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)
    clear_breakers()


@pytest.fixture
def crm(settings: Any) -> Iterator[Receiver]:
    """Start the system that enriches."""
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    with Receiver() as server:
        yield server


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()
