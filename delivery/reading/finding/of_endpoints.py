"""Find the newest rows of several endpoints, with a walk of an index for each."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

MAX_ENDPOINTS = 20
NEWEST = 50  # rows of each endpoint


def newest_of_endpoints(model: Any, endpoints: Sequence[UUID]) -> list[UUID]:
    """Return the newest rows of each of the first endpoints. Indexes: those by endpoint and id."""
    return [
        key
        for endpoint in endpoints[:MAX_ENDPOINTS]
        for key in model.objects.filter(endpoint=endpoint).order_by("-id").values_list("id", flat=True)[:NEWEST]
    ]
