"""Detect that the broker cannot be reached."""

from typing import Any

from celery import current_app

from webhooks.kit.conditions.condition import Condition, Finding, Question

TIMEOUT = 2.0  # seconds to connect


def find(_question: Question) -> list[Finding]:
    """Return a finding if the broker cannot be connected to."""
    return state_of(current_app)


def state_of(app: Any) -> list[Finding]:
    """Return a finding if the broker of a Celery app cannot be connected to."""
    timeouts = {"socket_connect_timeout": TIMEOUT, "socket_timeout": TIMEOUT, "max_retries": 0}
    try:
        with app.connection_for_write(transport_options=timeouts, connect_timeout=TIMEOUT) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=TIMEOUT)
    except Exception as error:  # its class depends on the broker
        text = f"The broker cannot be reached ({type(error).__name__}). Nothing is lost; deliveries start late."
        return [Finding("platform", "broker", "Broker", text)]
    return []


CONDITION = Condition(
    "platform_broker",
    "Broker away",
    "The broker, which wakes the workers, cannot be reached.",
    find,
    every=30.0,
    minutes=1,
    is_for_operators=True,
)
