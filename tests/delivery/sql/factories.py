"""Create lanes, deliveries, claim requests and settlements, by the clock of the database."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from delivery.models import Delivery, Lane
from delivery.operational.dead_letters import dead_letter
from delivery.sql.claim import Claimed, ClaimRequest
from delivery.sql.dead_letters import DeadLetterRow
from delivery.sql.keyed.order_heads import HeadSearch
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
    """Return the time of the database, which is constant within a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        moment: datetime = cursor.fetchone()[0]
        return moment


def make_lane(endpoint: Endpoint | None = None, **fields: Any) -> Lane:
    endpoint = endpoint or make_endpoint()
    return Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, **fields)


def make_deliveries(endpoint: Endpoint, count: int = 1, **changes: Any) -> list[Delivery]:
    """Create pending deliveries, a second apart, the last one due just now."""
    due_at = changes.pop("next_attempt_at", now() - timedelta(seconds=count))
    return [
        make_delivery(make_event(endpoint.tenant), endpoint, next_attempt_at=due_at + timedelta(seconds=n), **changes)
        for n in range(count)
    ]


def claim_request(
    endpoint: Endpoint, limit: int = 1_000, low_water_mark: datetime = EPOCH, *, ordered: bool = False
) -> ClaimRequest:
    heads = HeadSearch() if ordered else None
    return ClaimRequest(endpoint.id, limit, low_water_mark, 30.0, heads, endpoint.tenant_id)


def settlement(it: Claimed | Delivery, **changes: Any) -> Settlement:
    """Return a settlement of this claim: delivered with status 200, unless changed."""
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
    return Settlement(delivery_id=it.id, endpoint_id=it.endpoint_id, **{**fields, **changes})


def settle(*settlements: Settlement) -> set[UUID]:
    """Settle in a transaction, and return the ids of the deliveries whose verdict counted."""
    with transaction.atomic():
        return {it.delivery_id for it in settle_with_dead_letters(settlements)}


def settle_with_dead_letters(settlements: Sequence[Settlement]) -> list[Settlement]:
    """Settle as a drain does, and return the settlements whose verdict counted."""
    settled = settle_attempts(settlements)
    dead_letter([DeadLetterRow(it.delivery_id, it.cause, None) for it in settled if it.cause])
    return settled


def lane_row(endpoint: Endpoint, **changes: Any) -> LaneRow:
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
