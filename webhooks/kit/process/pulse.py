"""Touch a file while the loop of this program turns, so that its supervisor finds it when it is stuck.

Without ``begin`` nothing is touched: only a supervisor that looks at the file begins.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

BEAT_EVERY = 10.0  # seconds between two calls of ``Pulse.beat`` by a program that is idle


class Pulse:
    """The file of one program."""

    def __init__(self) -> None:
        self._path = ""
        self._due_at = 0.0
        os.register_at_fork(after_in_child=self._forget)

    def begin(self, path: Path) -> None:
        """Create the file; from now on the program has to call ``beat`` every BEAT_EVERY seconds."""
        path.touch()
        self._path = str(path)

    def beat(self) -> None:
        """Touch the file, unless that was done within BEAT_EVERY / 2 seconds. Call it in each turn of the loop."""
        now = time.monotonic()
        if now >= self._due_at and self._path:
            self._due_at = now + BEAT_EVERY / 2  # less than BEAT_EVERY, so that a beat that comes early counts
            with suppress(OSError):
                os.utime(self._path)

    def _forget(self) -> None:
        self._path = ""


pulse = Pulse()
"""The one of this process. A fork has none."""
