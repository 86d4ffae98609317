"""Describe an attempt in flight."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from delivery.sql.claim import Claimed

__all__ = ["InFlight"]


class InFlight(NamedTuple):
    """Join an attempt to its claim: the delivery and token, the retry plan (seconds) and the address it goes to."""

    claimed: Claimed
    token: UUID
    plan: Sequence[int]
    attempt_id: UUID
    address: str
