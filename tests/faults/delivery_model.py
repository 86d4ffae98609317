"""Model drains and the expected states of deliveries for the random walk in ``test_states``."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection

from delivery.lanes.lane import LeasedLane
from delivery.lanes.lane_rows import shift
from delivery.sending.verdict import Verdict
from delivery.sql.claim import Claimed
from delivery.sql.settle import Settlement
from delivery.transports.outcome import Failure, Outcome
from webhooks.wire.ids import new_id

VERDICTS = [Verdict("delivered"), Verdict("pending", wait=0.0), Verdict("pending", wait=7.0)]
VERDICTS += [Verdict("dead", cause="exhausted"), Verdict("dead", cause="responded_410")]

MOVE_BACK = [
    "UPDATE delivery_delivery SET next_attempt_at = next_attempt_at - {0}, claimed_until = claimed_until - {0}",
    "UPDATE delivery_lane SET due_at = due_at - {0}, low_water_mark = low_water_mark - {0},"
    " circuit_open_until = circuit_open_until - {0},"
    " failing_since = failing_since - {0}, next_slot_at = next_slot_at - {0},"
    " failing_day_at = failing_day_at - {0}, warned_at = warned_at - {0},"
    " wait_until = wait_until - {0}, wait_since = wait_since - {0},"
    " recovering_since = recovering_since - {0}, recovered_until = recovered_until - {0}",
    "UPDATE delivery_attempt SET started_at = started_at - {0}",
]


@dataclass
class Drain:
    """A drain with the lanes and claims it got, whether or not it has lost them since."""

    id: UUID = field(default_factory=new_id)
    lanes: dict[UUID, LeasedLane] = field(default_factory=dict)
    claims: list[tuple[Claimed, UUID]] = field(default_factory=list)


@dataclass
class ExpectedState:
    """The expected row of one delivery: state, claim token, attempts, and claims in a row without a result."""

    state: str = "pending"
    token: UUID | None = None
    attempts: int = 0
    claims: int = 0


def let_time_pass(seconds: int, drains: list[Drain]) -> None:
    """Move every instant back, in the tables and in the drains."""
    with connection.cursor() as cursor:
        for statement in MOVE_BACK:
            cursor.execute(statement.format(f"interval '{seconds} s'"))
    for lane in (lane for drain in drains for lane in drain.lanes.values()):
        shift(lane, -seconds)


def settlement(claimed: Claimed, token: UUID, verdict: Verdict) -> Settlement:
    status = 200 if verdict.state == "delivered" else 500
    return Settlement(
        delivery_id=claimed.id,
        token=token,
        endpoint_id=claimed.endpoint_id,
        state=verdict.state,
        wait=verdict.wait,
        cause=verdict.cause,
        attempt_id=new_id(),
        number=claimed.attempts + 1,
        started_at=datetime.now(UTC),
        duration_ms=5,
        status=status,
        error="" if status == 200 else "status",
        response=None,
    )


def outcome(verdict: Verdict) -> Outcome:
    if verdict.state == "delivered":
        return Outcome(time.time(), 5, status=200)
    return Outcome(time.time(), 5, status=500, failure=Failure.STATUS)
