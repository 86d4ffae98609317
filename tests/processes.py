"""Start the processes that tests need. All end with the test process, however it ends.

`subprocess` itself is only for programs that end by themselves within seconds.
"""

import atexit
import os
import subprocess
from collections.abc import Sequence
from functools import cache
from typing import Any

from config.local.process_guard import ProcessGuard


def start(command: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
    """Start a program as `subprocess.Popen` does."""
    return guard().start(command, **options)


def run(command: Sequence[str], **options: Any) -> "subprocess.CompletedProcess[Any]":
    """Run a program to its end and capture its output."""
    return guard().run(command, **options)


@cache
def guard() -> ProcessGuard:
    """Return the guard of this test process."""
    made = ProcessGuard(f"tests of {os.getpid()}")
    atexit.register(made.close)
    return made
