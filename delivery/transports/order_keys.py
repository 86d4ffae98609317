"""Turn the order key of a delivery into a group, partition or session of a destination.

PURE.
"""

from hashlib import sha256

WHOLE_ENDPOINT = "default"  # for the empty order key: all deliveries of the endpoint, or events without the attribute


def accepted_key(order_key: str, *, fits: bool) -> str:
    """Return an order key as a destination accepts it: unless it ``fits``, its SHA-256."""
    if not order_key:
        return WHOLE_ENDPOINT
    return order_key if fits else sha256(order_key.encode()).hexdigest()
