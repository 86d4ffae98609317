"""Build leased lanes and delivery targets in memory, without a database."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from delivery.lanes.lane import LeasedLane
from delivery.lanes.lane_rows import lane_from_row
from delivery.sql.claim import Claimed
from delivery.sql.lanes import LaneRow
from delivery.transports.in_flight import InFlight
from subscriptions.routing.targets import DeliveryTarget, HttpTarget
from webhooks.wire.ids import new_id

START = 1_900_000_000.0  # unix seconds
EPOCH = datetime.fromtimestamp(0, UTC)


def make_target(**changes: Any) -> DeliveryTarget:
    fields: dict[str, Any] = {
        "endpoint_id": new_id(),
        "tenant_id": new_id(),
        "version": 1,
        "state": "active",
        "timeout_ms": 15_000,
        "max_in_flight": 64,
        "rate_limit": None,
        "ordering": "",
        "retry_plan": None,
        "signer": None,
        "valid_until": None,
    }
    http = {"url": "https://example.com/", "headers": (), "content_mode": "structured", "admits": None}
    http |= {name: changes.pop(name) for name in HttpTarget.__slots__ if name in changes}
    address = {"address": http["url"]}
    return DeliveryTarget(**{**fields, **address, **changes}, http=HttpTarget(**http))


def make_row(endpoint_id: UUID, **changes: Any) -> LaneRow:
    fields: dict[str, Any] = {
        "low_water_mark": EPOCH,
        "next_slot_at": None,
        "concurrency": 1_000_000,
        "failures": 0,
        "failing_since": None,
        "open_count": 0,
        "circuit_open_until": None,
        "warnings_sent": 0,
    }
    return LaneRow(endpoint_id, **{**fields, **changes})


def make_lane(row: dict[str, Any] | None = None, **target: Any) -> LeasedLane:
    made = make_target(**target)
    return lane_from_row(make_row(made.endpoint_id, **(row or {})), made, START)


def make_claimed(body: bytes = b"{}", **changes: Any) -> Claimed:
    fields: dict[str, Any] = {"attempts": 0, "step": 0, "due_at": EPOCH, "rendered": False}
    return Claimed(id=new_id(), endpoint_id=new_id(), event_id=new_id(), body=body, **{**fields, **changes})


def make_in_flight(address: str = "https://example.com/") -> InFlight:
    return InFlight(make_claimed(), new_id(), (), new_id(), address)
