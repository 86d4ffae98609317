"""Resolve only the names below, and start each test without a cached default plan."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from subscriptions.tenants import plans
from webhooks.outgoing import guarded_call

ADDRESSES = {
    "example.com": ["93.184.215.14"],
    "inside.example.com": ["10.0.0.7"],
    "both.example.com": ["93.184.215.14", "10.0.0.7"],
    "localhost": ["127.0.0.1"],
}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = False, []

    def resolve(host: str, **options: Any) -> list[str]:
        if host not in ADDRESSES:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return ADDRESSES[host]

    monkeypatch.setattr(guarded_call, "resolve_within", resolve)


@pytest.fixture(autouse=True)
def _clear_default_plan() -> Iterator[None]:
    plans.clear_cache()
    yield
    plans.clear_cache()
