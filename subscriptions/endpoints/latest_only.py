"""Check the key of an endpoint that is sent only the latest of the deliveries that wait."""

from subscriptions.errors import Invalid
from subscriptions.models import Endpoint
from webhooks.wire.transform import InvalidTransformer
from webhooks.wire.transform.paths import parse_path

NAMES = tuple(str(it) for it in Endpoint.Ordering if it)  # keys by name, as those of ordering


def check_latest_only(latest_only: str | None, ordering: str) -> None:
    """Raise Invalid unless this names a key of deliveries, or the same key as ``ordering`` where that is set."""
    if latest_only is None:
        return
    if ordering and latest_only != ordering:
        raise Invalid("latest_only", f"Must be {ordering}, the same as ordering, or null.")
    if latest_only in NAMES:
        return
    if not latest_only.startswith("$."):
        names = ", ".join(NAMES)
        raise Invalid("latest_only", f"Must be {names}, or a path such as $.data.order.id; null: all are sent.")
    try:
        steps = parse_path(latest_only, "")
    except InvalidTransformer as error:
        raise Invalid("latest_only", str(error)) from None
    if None in steps:
        raise Invalid("latest_only", "Must lead to one value: without *.")
