"""Fixtures for pytest: send a message to a source, signed as its sender signs, and have the handlers run.

    # conftest.py
    pytest_plugins = ["webhooks.pytest_plugin"]

    def test_order_is_booked(receive):
        response = receive(source, {"type": "order.paid", "data": {"number": "A-1"}})
        assert response.status_code == 202
        assert Order.objects.filter(number="A-1").exists()

Install ``waypost[testing]``.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.http import HttpResponse

from webhooks.models import Source
from webhooks.testing import run_handlers, send

Receive = Callable[..., HttpResponse]


@pytest.fixture
def receive(request: pytest.FixtureRequest) -> Receive:
    """Return the function that sends a message and runs the handlers; ``handle=False``: only what receives it."""
    request.getfixturevalue("db")

    def receive(
        source: Source, body: Mapping[str, Any] | str | bytes = b"", *, handle: bool = True, **more: Any
    ) -> HttpResponse:
        response = send(source, body, **more)
        if handle:
            run_handlers()
        return response

    return receive
