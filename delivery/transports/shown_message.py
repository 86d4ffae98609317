"""Describe what a kind of destination would be sent, in its own terms, to be shown: no credentials.

PURE.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """Hold one message as it is shown.

    ``method``: the operation, such as POST, XADD or INSERT. ``address``: where it goes. ``headers``: headers of the
    request, attributes of the message or columns of the row, without credentials.
    """

    method: str
    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
