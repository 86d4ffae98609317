"""Write and delete the reports of processes about their load."""

from typing import NamedTuple

from webhooks.kit.sql import run

FRESH_FOR = 20.0  # seconds after its report for which a process is taken to run: it has missed three reports
KEPT_FOR = 600.0  # seconds


class DrainReportRow(NamedTuple):
    """The columns of a DrainReport, and for how many seconds its drain has run."""

    machine: str
    pid: int
    cpu: float
    machine_cpu: float
    load: float
    minute_load: float
    waiting: float
    turn_size: float
    in_flight: int
    max_in_flight: int
    held: int
    lanes: int
    claimed_per_second: float
    settled_per_second: float
    disk_free: float
    seconds_running: float


class PublisherReportRow(NamedTuple):
    """The columns of a PublisherReport."""

    machine: str
    pid: int
    cpu: float
    machine_cpu: float
    requests_per_second: float
    max_waiting: int


def _upsert(table: str, names: tuple[str, ...], computed: dict[str, str]) -> str:
    """Return the statement that writes the row of a process; ``computed`` are further columns with their values."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in (*names, *computed))
    return f"""
INSERT INTO {table} ({", ".join((*names, *computed))})
VALUES ({", ".join((*(f"%({name})s" for name in names), *computed.values()))})
    ON CONFLICT (machine, pid) DO UPDATE SET {changes}
"""


# Reader: the drain, every few seconds. Index: the unique (machine, pid). The table is not logged, so nothing waits for
# the disk.
WRITE_DRAIN_REPORT = _upsert(
    "delivery_drainreport",
    DrainReportRow._fields[:-1],
    {"reported_at": "now()", "started_at": "now() - make_interval(secs => %(seconds_running)s)"},
)
WRITE_PUBLISHER_REPORT = _upsert("delivery_publisherreport", PublisherReportRow._fields, {"reported_at": "now()"})


def write_drain_report(row: DrainReportRow) -> None:
    """Write the report of a drain in place of the last one of its process."""
    run(WRITE_DRAIN_REPORT, row._asdict())


# Reader: a busy drain, every few seconds. The table has a row for each process.
FIND_IDLER_DRAIN = """
SELECT EXISTS (SELECT FROM delivery_drainreport
                WHERE (machine, pid) <> (%(machine)s, %(pid)s) AND load < %(load)s / 2
                  AND reported_at > now() - make_interval(secs => %(fresh)s))
"""


def is_another_drain_idler(machine: str, pid: int, load: float) -> bool:
    """Return whether a drain of another process is at most half as busy as this one."""
    parameters = {"machine": machine, "pid": pid, "load": load, "fresh": FRESH_FOR}
    return bool(run(FIND_IDLER_DRAIN, parameters)[0][0])


def write_publisher_report(row: PublisherReportRow) -> None:
    """Write the report of a publishing process in place of its last one."""
    run(WRITE_PUBLISHER_REPORT, row._asdict())


# Reader: the sweep. The tables have a row for each process of the last minutes.
DELETE_OLD_REPORTS = """
WITH drains AS (
    DELETE FROM delivery_drainreport WHERE reported_at < now() - make_interval(secs => %(kept)s)
), publishers AS (
    DELETE FROM delivery_publisherreport WHERE reported_at < now() - make_interval(secs => %(kept)s)
)
SELECT
"""


def delete_old_reports() -> None:
    """Delete the reports of processes that have not reported for KEPT_FOR."""
    run(DELETE_OLD_REPORTS, {"kept": KEPT_FOR})
