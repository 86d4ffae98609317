"""Remember which endpoints have a lane, so that marking it due looks for the lane only while it has no owner.

Each renewal of a lease writes the lane's row again, and while a backup has an old snapshot, the old versions of the row
are read whenever it is looked up by its key. A lane that a crash of the server loses is created again by the sweep.
"""

from collections.abc import Sequence
from uuid import UUID

MAX_KNOWN = 50_000  # endpoints that a process remembers: about 8 MB


class KnownLanes:
    """Endpoints that have a lane, as far as is known: up to ``most``. A lane is deleted only with its endpoint."""

    def __init__(self, most: int = MAX_KNOWN) -> None:
        self._endpoints: set[UUID] = set()
        self._most = most

    def missing_of(self, endpoint_ids: Sequence[UUID]) -> list[UUID]:
        """Return those of these endpoints of which no lane is known."""
        return [it for it in endpoint_ids if it not in self._endpoints]

    def add(self, endpoint_ids: Sequence[UUID]) -> None:
        """Remember that these endpoints have lanes. Call it after their commit."""
        if len(self._endpoints) + len(endpoint_ids) > self._most:
            self._endpoints.clear()
        self._endpoints.update(endpoint_ids[: self._most])


known_lanes = KnownLanes()
