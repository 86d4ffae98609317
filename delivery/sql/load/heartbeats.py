"""Write, read and delete the heartbeats of programs. The table has a row for each of them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from webhooks.kit.sql import run

GAP = 30.0  # seconds without a heartbeat, after which a program has not reported without a gap
FORGOTTEN_AFTER = 3_600.0  # seconds after its last heartbeat until a program that was killed is forgotten


class HeartbeatRow(NamedTuple):
    """The columns of a Heartbeat, with times as seconds before now."""

    machine: str
    role: str
    name: str
    pid: int
    version: str
    cpu: float
    memory: int
    last_work: str
    seconds_running: float
    seconds_since_work: float | None


_PLAIN = HeartbeatRow._fields[:-2]
_COMPUTED = {
    "started_at": "now() - make_interval(secs => %(seconds_running)s::float8)",
    "reported_at": "now()",
    "last_work_at": "now() - make_interval(secs => %(seconds_since_work)s::float8)",
}

# Reader: every program, every few seconds. Index: the unique (machine, role, name). The table is not logged, so nothing
# waits for the disk. A clock that goes back makes a gap too.
WRITE_HEARTBEAT = f"""
INSERT INTO delivery_heartbeat ({", ".join((*_PLAIN, *_COMPUTED))})
VALUES ({", ".join((*(f"%({name})s" for name in _PLAIN), *_COMPUTED.values()))})
    ON CONFLICT (machine, role, name) DO UPDATE
   SET {", ".join(f"{name} = excluded.{name}" for name in (*_PLAIN, *_COMPUTED))},
       reporting_since = CASE
           WHEN excluded.reported_at - delivery_heartbeat.reported_at BETWEEN interval '0' AND interval '{GAP} s'
           THEN delivery_heartbeat.reporting_since ELSE excluded.reporting_since END
"""


def write_heartbeat(row: HeartbeatRow) -> None:
    """Write a heartbeat in place of the last one of its program."""
    run(WRITE_HEARTBEAT, row._asdict())


DELETE_HEARTBEAT = """
DELETE FROM delivery_heartbeat
 WHERE machine = %(machine)s AND role = %(role)s AND name = %(name)s AND pid = %(pid)s
"""


def delete_heartbeat(key: Mapping[str, Any]) -> None:
    """Delete the row of a program that ends; not one that its successor has written."""
    run(DELETE_HEARTBEAT, key)


# Reader: the sweep. The table has a row for each program.
DELETE_OLD_HEARTBEATS = """
DELETE FROM delivery_heartbeat WHERE reported_at < now() - make_interval(secs => %(kept)s)
"""


def delete_old_heartbeats() -> None:
    """Delete the rows of programs that have been silent for FORGOTTEN_AFTER."""
    run(DELETE_OLD_HEARTBEATS, {"kept": FORGOTTEN_AFTER})
