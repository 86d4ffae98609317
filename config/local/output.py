"""Print the lines of several programs: with the name of the program before each, or as JSON, a line each.

A program that logs JSON names itself in its lines, so these are printed as they are; whatever else it writes becomes
the text of a line of JSON.
"""

import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

COLOURS = (36, 33, 32, 35, 34, 31)  # ANSI codes of the prefixes, in turn


def print_text(names: Sequence[str], name: str, line: str, *, colour: bool) -> None:
    """Print a line behind the name of the program that wrote it; ``names``: of all programs."""
    prefix = f"{name:<{max(map(len, names))}} |"
    if colour:
        prefix = f"\033[{COLOURS[(['up', *names]).index(name) % len(COLOURS)]}m{prefix}\033[0m"
    _write(f"{prefix} {line}\n")


def print_json(name: str, line: str) -> None:
    """Print a line of JSON as it is, and any other line as one."""
    _write(f"{line if line.startswith('{') and line.endswith('}') else _as_json(name, line)}\n")


def _write(text: str) -> None:
    """Write to the standard output, or leave it out: its reader is gone, or its disk is full.

    The platform works on, and can be stopped: Ctrl-C also ends `tee`, which may read this output.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except OSError:
        return


def _as_json(name: str, line: str) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"event": line, "level": "info", "logger": "waypost.up", "program": name, "timestamp": now})
