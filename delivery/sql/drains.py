"""Tell whether a drain has to be started: for lanes that are due, or because none waits for notifications.

One idle drain, the resident one, waits for notifications, so that the next event need not wait for a start. It has an
advisory lock of its session, which the database releases when its process dies.
"""

from webhooks.kit.sql import run

RESIDENT_LOCK = 0x7761_7964  # advisory lock of the resident drain, in every deployment of one database

# Reader: the schedule. Index: lane_due. A lease that ran out is due too. The shared lock is free if no drain has the
# exclusive one, and is given back with the statement.
HAS_DRAIN_WORK = f"""(EXISTS (SELECT FROM delivery_lane WHERE due_at <= now())
                     OR pg_try_advisory_xact_lock_shared({RESIDENT_LOCK}))"""


def become_resident() -> bool:
    """Make this session's drain the resident one, unless there is another; return whether it is. May be repeated."""
    return bool(run(f"SELECT pg_try_advisory_lock({RESIDENT_LOCK})", {})[0][0])


def end_residence() -> None:
    """Release the lock of this session, however often it was taken. No other advisory lock may be held."""
    run("SELECT pg_advisory_unlock_all()", {})
