"""What the statements are tried on: lanes, debts, claims and settlements, by the database's clock."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from delivery.models import Delivery, Lane
from delivery.sql.claim import Claimed, ClaimRequest
from delivery.sql.lanes import LaneRow
from delivery.sql.settle import Settlement, settle_attempts
from subscriptions.models import Endpoint
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint
from webhooks.wire.ids import new_id

OWNER, OTHER = UUID(int=1), UUID(int=2)
TOKEN, STALE = UUID(int=3), UUID(int=4)
EPOCH = datetime.fromtimestamp(0, UTC)
HOUR = timedelta(hours=1)


def now() -> datetime:
    """The database's clock: inside a test's transaction it stands still."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        moment: datetime = cursor.fetchone()[0]
        return moment


def make_lane(endpoint: Endpoint | None = None, **fields: Any) -> Lane:
    endpoint = endpoint or make_endpoint()
    return Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, **fields)


def owe(endpoint: Endpoint, count: int = 1, **changes: Any) -> list[Delivery]:
    """Deliveries that are due, the older the earlier."""
    due_at = changes.pop("next_attempt_at", now() - timedelta(seconds=count))
    return [
        make_delivery(make_event(endpoint.tenant), endpoint, next_attempt_at=due_at + timedelta(seconds=n), **changes)
        for n in range(count)
    ]


def asking(endpoint: Endpoint, quota: int = 1_000, floor: datetime = EPOCH, *, ordered: bool = False) -> ClaimRequest:
    return ClaimRequest(endpoint.id, quota, floor, seconds=30.0, ordered=ordered)


def settlement(it: Claimed | Delivery, **changes: Any) -> Settlement:
    """Delivered, unless changed."""
    fields: dict[str, Any] = {
        "token": TOKEN,
        "state": "delivered",
        "wait": 0.0,
        "cause": "",
        "attempt_id": new_id(),
        "number": it.attempts + 1,
        "started_at": now(),
        "duration_ms": 12,
        "status": 200,
        "error": "",
        "response": b"ok\0\xff",
    }
    return Settlement(id=it.id, endpoint_id=it.endpoint_id, **{**fields, **changes})


def settle(*settlements: Settlement) -> set[UUID]:
    """The deliveries that were settled."""
    with transaction.atomic():
        settled = settle_attempts(settlements)
    return {it.id for it in settlements if it.attempt_id in settled}


def pace(endpoint: Endpoint, **changes: Any) -> LaneRow:
    fields: dict[str, Any] = {
        "low_water_mark": EPOCH,
        "next_slot_at": None,
        "concurrency": None,
        "failures": 0,
        "failing_since": None,
        "open_count": 0,
        "circuit_open_until": None,
        "warnings_sent": 0,
    }
    return LaneRow(endpoint.id, **{**fields, **changes})
