"""Fixtures for pytest: look at what the code under test publishes.

    # conftest.py
    pytest_plugins = ["delivery.pytest_plugin"]

    def test_paid_order_is_published(published):
        pay(order)
        published.assert_one("order.paid", data={"number": "A-1"}, to="https://acme.example/hooks")
        assert not published.of("order.refunded")

Nothing is sent: no worker runs in a test. Install ``waypost[testing]``.
"""

from typing import Any

import pytest

from delivery.models import Event
from delivery.testing import CapturedEvent, captured_since

ANYTHING: Any = object()


class PublishedEvents:
    """Find the events that were published since the test began."""

    def __init__(self) -> None:
        self._known = set(Event.objects.values_list("pk", flat=True))

    def all(self) -> list[CapturedEvent]:
        """Return the events, in the order in which they were published."""
        return captured_since(self._known)

    def of(self, event_type: str, *, tenant: Any = ANYTHING, to: str | None = None) -> list[CapturedEvent]:
        """Return the events of a type; of a tenant; that are sent to a URL."""
        return [
            it
            for it in self.all()
            if it.type == event_type
            and (tenant is ANYTHING or it.tenant == tenant)
            and (to is None or to in it.endpoints)
        ]

    def assert_one(
        self, event_type: str, *, data: Any = ANYTHING, tenant: Any = ANYTHING, to: str | None = None
    ) -> CapturedEvent:
        """Return the one event of a type. Fails with what was published if there is none, or another, or more."""
        found = self.of(event_type, tenant=tenant, to=to)
        shown = "\n".join(f"  {it.type} {it.data!r} to {it.endpoints}" for it in self.all()) or "  nothing"
        where = f" to {to}" if to else ""
        assert len(found) == 1, f"{len(found)} events {event_type}{where}; published:\n{shown}"  # noqa: S101 (for pytest)
        if data is not ANYTHING:
            assert found[0].data == data, f"data of {event_type}: {found[0].data!r}, not {data!r}"  # noqa: S101
        return found[0]


@pytest.fixture
def published(request: pytest.FixtureRequest) -> PublishedEvents:
    """Return the events that are published in the test."""
    request.getfixturevalue("db")
    return PublishedEvents()
