"""Describe an attempt in flight."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from delivery.sql.claim import Claimed


class InFlight(NamedTuple):
    """Join an attempt to its claim, its retry plan (seconds), and where it goes by which kind of transport."""

    claimed: Claimed
    token: UUID
    plan: Sequence[int]
    attempt_id: UUID
    address: str
    kind: str = "http"
