"""How many statements the server ran and how long each kind took, from a sample in its own log.

The embedded server has no pg_stat_statements, but it can log every so-many-th message with its duration. A prepared
statement is up to three messages (parse, bind, execute): all of them are time, one of them is a statement.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import psycopg

__all__ = ["Sampled", "StatementLog", "Top"]

LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) \S+ \[\d+\] LOG:  duration: (?P<ms>[\d.]+) ms"
    r"  (?P<what>parse|bind|execute|statement)[^:]*: (?P<text>)"
)
# A fragment of its text tells a statement of ours; the first that fits.
KINDS = {
    "INSERT INTO delivery_event": "insert events",
    "pg_notify": "mark lanes due",
    "FOR UPDATE OF l SKIP LOCKED": "lease",
    "AS request(endpoint_id": "claim",
    "UPDATE delivery_delivery d\n   SET state = r.state": "settle",
    "COPY delivery_attempt": "record",
    "SET owner =": "renew, release",
    "missed.due_at": "recheck due",
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


class Top(NamedTuple):
    """A statement and what it cost altogether, sampled ones counted for those that were not."""

    text: str
    calls: float
    milliseconds: float


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
        return [Sampled(at, _kind(text), took, _is_statement(what)) for at, took, what, text in self._messages(mark)]

    def top(self, mark: int, most: int) -> list[Top]:
        """The statements that took the server longest since then, all calls together."""
        calls: Counter[str] = Counter()
        spent: defaultdict[str, float] = defaultdict(float)
        for _, took, what, text in self._messages(mark):
            words = " ".join(text.split())
            calls[words] += _is_statement(what)
            spent[words] += took
        costly = sorted(spent.items(), key=lambda it: -it[1])[:most]
        return [Top(text, calls[text] / self.share, took / self.share) for text, took in costly]

    def _messages(self, mark: int) -> Iterator[tuple[float, float, str, str]]:
        """When, how many milliseconds, which message, what statement. One that is still being written is left out."""
        with self._path.open(errors="replace") as file:
            file.seek(mark)
            for entry in _entries(file):
                if found := LINE.match(entry):
                    moment = datetime.fromisoformat(found["at"] + "+00:00").timestamp()
                    yield moment, float(found["ms"]), found["what"], entry[found.start("text") :]


def _entries(lines: Iterable[str]) -> Iterator[str]:
    """An entry of several lines goes on with a tab at the start of each."""
    entry: list[str] = []
    for line in lines:
        if line.startswith("\t"):
            entry.append(line[1:])
            continue
        if entry:
            yield "".join(entry)
        entry = [line]
    if entry and entry[-1].endswith("\n"):
        yield "".join(entry)


def _kind(text: str) -> str:
    return next((kind for part, kind in KINDS.items() if part in text), "other")


def _is_statement(what: str) -> bool:
    return what in ("execute", "statement")
