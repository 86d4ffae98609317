"""Resolve only the names below, and start each test without a cached default plan."""

from collections.abc import Iterator
from typing import Any

import pytest

from subscriptions.tenants import plans
from tests.dns_server import Answer, DnsServer

ANSWERS = {
    "example.com": Answer(("93.184.215.14",)),
    "inside.example.com": Answer(("10.0.0.7",)),
    "both.example.com": Answer(("93.184.215.14", "10.0.0.7")),
}


@pytest.fixture(autouse=True)
def names(dns: DnsServer, settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = False, []
    dns.answers |= ANSWERS


@pytest.fixture(autouse=True)
def _clear_default_plan() -> Iterator[None]:
    plans.clear_cache()
    yield
    plans.clear_cache()
