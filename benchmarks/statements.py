"""How many statements the server ran and how long each kind took, from a sample in its own log.

The embedded server has no pg_stat_statements, but it can log every so-many-th message with its duration. A prepared
statement is up to three messages (parse, bind, execute): all of them are time, one of them is a statement.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import psycopg

__all__ = ["Sampled", "StatementLog"]

LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) \S+ \[\d+\] LOG:  duration: (?P<ms>[\d.]+) ms"
    r"  (?P<what>parse|bind|execute|statement)[^:]*:(?P<text>.*)"
)
# A fragment of its text tells a statement of ours; the first that fits.
KINDS = {
    "INSERT INTO delivery_event": "take",
    "pg_notify": "mark due",
    "FOR UPDATE OF l SKIP LOCKED": "lease",
    "AS asking(endpoint_id": "claim",
    "UPDATE delivery_delivery d\n   SET state = r.state": "settle",
    "COPY delivery_attempt": "record",
    "SET owner =": "renew, release",
    "same.floor_at": "look again",
    "COMMIT": "commit",
    "BEGIN": "begin",
    "webhooks_receipt": "receipt",
    'FROM "subscriptions_': "read endpoints",
}


class Sampled(NamedTuple):
    """One message: when it ended (unix seconds), what it was, how long it took (ms)."""

    at: float
    kind: str
    milliseconds: float
    is_statement: bool


class StatementLog:
    """Turn the sample on, then ask what came since a mark."""

    def __init__(self, connection: psycopg.Connection, path: Path, share: float) -> None:
        self.share = share
        self._path = path
        for setting, value in (
            ("log_min_duration_sample", "0"),
            ("log_statement_sample_rate", str(share)),
            ("log_parameter_max_length", "0"),
        ):
            connection.execute(f"ALTER SYSTEM SET {setting} = '{value}'")
        connection.execute("SELECT pg_reload_conf()")

    @property
    def mark(self) -> int:
        return self._path.stat().st_size

    def since(self, mark: int) -> list[Sampled]:
        """Each stands for ``1 / share`` of its kind."""
        with self._path.open("rb") as file:
            file.seek(mark)
            text = file.read().decode(errors="replace")
        return list(_read(text))


def _read(text: str) -> Iterator[Sampled]:
    """A statement of several lines goes on with a tab at the start of each."""
    for entry in text.replace("\n\t", "\n\x00").split("\n2"):
        found = LINE.match(entry if entry[:1] == "2" and entry[4:5] == "-" else "2" + entry)
        if found:
            whole = entry.replace("\x00", "")
            kind = next((kind for part, kind in KINDS.items() if part in whole), "other")
            moment = datetime.fromisoformat(found["at"] + "+00:00").timestamp()
            yield Sampled(moment, kind, float(found["ms"]), found["what"] in ("execute", "statement"))
