"""Notify after a commit: the workers that receipts or replays are due, and requests that wait for handlers."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from webhooks.kit import sql
from webhooks.kit.notify import TaskNotifier

HANDLED_CHANNEL = "waypost_handled"  # read by ``handler_waits``
MAX_STATES = 150  # per notification: PostgreSQL allows a payload of 8,000 bytes

receipt_workers = TaskNotifier("webhooks.process_due", "default", pause=0.02)
replay_starter = TaskNotifier("webhooks.replay_receipts", "default", pause=1.0, expires=1.0)


def notify_waiters(states: Sequence[tuple[UUID, str]]) -> None:
    """Notify requests that wait for these receipts of their states, once this transaction is committed."""
    for start in range(0, len(states), MAX_STATES):
        payload = ",".join(f"{id.hex} {state}" for id, state in states[start : start + MAX_STATES])
        sql.run(b"SELECT pg_notify($1, $2)", [HANDLED_CHANNEL, payload])


def read_states(payload: str) -> Iterator[tuple[UUID, str]]:
    """Read the receipts and states of a notification; other text is ignored."""
    for pair in payload.split(","):
        text, _, state = pair.partition(" ")
        try:
            yield UUID(text), state
        except ValueError:
            continue
