"""Say what a subscription may name to receive an event: its type, ``a.b.*`` above it, ``*``."""

import re
from collections.abc import Iterator
from uuid import UUID

OPERATIONAL = "waypost."  # prefix of the types of the platform's own events
RESULTS = frozenset(
    ("waypost.delivery.succeeded", "waypost.delivery.failed", "waypost.receipt.processed", "waypost.receipt.failed")
)  # one for each delivery or receipt
USAGE = "waypost.usage.hour"  # one for each tenant and hour
NAMED_EXACTLY = RESULTS | {USAGE}  # so many that a subscription has to name them exactly
SHARED = "\x1f"  # between a grant and a type; no type contains it
TEST_TYPE = "waypost.test"  # of test messages to a source, which may publish what it receives
_EVENT_TYPE = re.compile(r"[^\s*](?:[^*]*[^\s*])?")


def is_event_type(name: str) -> bool:
    """Return whether the name is that of one type: without ``*``, which stands for many, or blanks at the ends."""
    return _EVENT_TYPE.fullmatch(name) is not None


def shared_type(grant_id: UUID | None, event_type: str) -> str:
    """Return the type under which subscriptions are looked up for an event; ``grant_id``: that has shared it."""
    return event_type if grant_id is None else f"{grant_id}{SHARED}{event_type}"


def matching_names(event_type: str) -> Iterator[str]:
    """Yield what a subscription may name to receive this type: the type, ``a.b.*`` and ``a.*`` above it, ``*``.

    ``*`` does not include the platform's own events: they are named by ``waypost.*`` or exactly, those in NAMED_EXACTLY
    only exactly. Of an event that was shared (``shared_type``), each has the grant before it: a subscription to events
    of its own tenant never matches it.
    """
    if SHARED in event_type:
        grant, _, own = event_type.partition(SHARED)
        yield from (f"{grant}{SHARED}{name}" for name in matching_names(own))
        return
    yield event_type
    if event_type in NAMED_EXACTLY:
        return
    dot = event_type.rfind(".")
    while dot > 0:
        yield event_type[:dot] + ".*"
        dot = event_type.rfind(".", 0, dot)
    if not event_type.startswith(OPERATIONAL):
        yield "*"
