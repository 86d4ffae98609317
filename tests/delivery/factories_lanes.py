"""Lanes as a drain holds them, and the targets they lead to, without a database."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from delivery.sending.lane import HeldLane
from delivery.sql.lanes import LaneRow
from subscriptions.routing.routes import Target
from webhooks.wire.ids import new_id

START = 1_900_000_000.0  # unix seconds
EPOCH = datetime.fromtimestamp(0, UTC)


def make_target(**changes: Any) -> Target:
    fields: dict[str, Any] = {
        "endpoint_id": new_id(),
        "tenant_id": new_id(),
        "version": 1,
        "state": "active",
        "url": "https://example.com/",
        "headers": (),
        "content_mode": "structured",
        "timeout_ms": 15_000,
        "max_in_flight": 64,
        "rate_limit": None,
        "ordering": "",
        "retry_plan": None,
        "signer": None,
        "admits": None,
        "valid_until": None,
    }
    return Target(**{**fields, **changes})


def make_row(endpoint_id: UUID, **changes: Any) -> LaneRow:
    fields: dict[str, Any] = {
        "floor_at": EPOCH,
        "next_slot_at": None,
        "window": 1_000_000,
        "failures": 0,
        "failing_since": None,
        "trips": 0,
        "tripped_until": None,
        "warned": 0,
    }
    return LaneRow(endpoint_id, **{**fields, **changes})


def make_lane(row: dict[str, Any] | None = None, **target: Any) -> HeldLane:
    made = make_target(**target)
    return HeldLane.of(make_row(made.endpoint_id, **(row or {})), made, START)
