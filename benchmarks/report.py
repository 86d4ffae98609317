"""The figures as JSON, for whoever wants to compare runs."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.figures import Row, spoken
from benchmarks.stand import Stand

__all__ = ["Facts", "machine", "write"]

Facts = dict[str, str]


def machine(stand: Stand, instruments: str, sizes: str, started_at: datetime, seconds: float) -> Facts:
    """What the figures were measured on: without it they mean nothing."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return {
        "started at": started_at.isoformat(timespec="seconds"),
        "took": spoken(seconds),
        "run": sizes,
        "processors": f"{os.cpu_count()} ({platform.machine()})",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": str(stand.sql("SHOW server_version")[0][0]),
        "sink and generator": instruments,
        "load average at the end": load,
    }


def write(directory: Path, facts: Facts, rows: Sequence[Row]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    content = {"machine": facts, "rows": [_row(row) for row in rows]}
    (directory / "report.json").write_text(json.dumps(content, indent=2) + "\n")


def _row(row: Row) -> dict[str, Any]:
    sums = {
        "holds": row.holds,
        "cpu_ms_per_1000": row.cpu_ms_per_1000,
        "statements_each": row.statements_each,
        "wal_bytes_each": row.wal_each,
        "peak_memory_mib": row.memory_mib,
    }
    return {**asdict(row), **sums}
