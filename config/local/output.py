"""Print the lines of several programs: with the name of the program before each, or as JSON, a line each.

A program that logs JSON names itself in its lines, so these are printed as they are; whatever else it writes becomes
the text of a line of JSON.
"""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

COLOURS = (36, 33, 32, 35, 34, 31)  # ANSI codes of the prefixes, in turn


def print_text(names: Sequence[str], name: str, line: str, *, colour: bool) -> None:
    """Print a line behind the name of the program that wrote it; ``names``: of all programs."""
    prefix = f"{name:<{max(map(len, names))}} |"
    if colour:
        prefix = f"\033[{COLOURS[(['up', *names]).index(name) % len(COLOURS)]}m{prefix}\033[0m"
    sys.stdout.write(f"{prefix} {line}\n")
    sys.stdout.flush()


def print_json(name: str, line: str) -> None:
    """Print a line of JSON as it is, and any other line as one."""
    sys.stdout.write(f"{line if line.startswith('{') and line.endswith('}') else _as_json(name, line)}\n")
    sys.stdout.flush()


def _as_json(name: str, line: str) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"event": line, "level": "info", "logger": "waypost.up", "program": name, "timestamp": now})
