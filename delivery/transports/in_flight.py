"""Describe an attempt in flight."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from delivery.sql.claim import Claimed


class InFlight(NamedTuple):
    """Join an attempt to its claim, its retry plan (seconds), and where it goes by which kind of transport.

    ``tenant_id`` and ``has_on_success``: of its endpoint, when it was sent; None: not known.
    """

    claimed: Claimed
    token: UUID
    plan: Sequence[int]
    attempt_id: UUID
    address: str
    kind: str = "http"
    tenant_id: UUID | None = None
    has_on_success: bool | None = None
