"""The edge is faked: names resolve as written here, and no others."""

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

    def look_up(host: str, **options: Any) -> list[str]:
        if host not in ADDRESSES:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return ADDRESSES[host]

    monkeypatch.setattr(guarded_call, "resolve_within", look_up)


@pytest.fixture(autouse=True)
def _forget_the_default_plan() -> Iterator[None]:
    """A test's default plan is no other test's."""
    plans.clear_cache()
    yield
    plans.clear_cache()
