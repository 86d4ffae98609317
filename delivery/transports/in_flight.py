"""An attempt under way: the claim it belongs to, the retry plan it will be judged by, and where it goes."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from delivery.sql.claim import Claimed

__all__ = ["Sent"]


class Sent(NamedTuple):
    claimed: Claimed
    token: UUID
    plan: Sequence[int]
    attempt_id: UUID
    url: str
