"""Find programs that run and do nothing: their loop has not touched its file lately (``webhooks.kit.process.pulse``).

Only the supervisor's own clock counts, so a change of the system's clock finds nothing; and if the supervisor itself
did not run for a while, for example on a machine that was suspended, all programs get the full time again.
"""

import os
from contextlib import suppress
from pathlib import Path

from config.local.process_guard import PULSES, own_name
from webhooks.kit.process.pulse import pulse

STUCK_AFTER = 60.0  # seconds
PAUSED_AFTER = 20.0  # seconds without a look, after which all programs get the full time again


def begin_pulse(data: Path) -> None:
    """Touch the file of this program from now on, if it runs under a supervisor that looks at it."""
    name, directory = own_name(""), data / PULSES
    if name and directory.is_dir():
        pulse.begin(directory / name)


class StuckWatch:
    """Look at the files of the programs that run under one supervisor."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._seen: dict[str, tuple[int, float]] = {}  # time of the file, and when it was first seen, by program
        self._looked_at = 0.0

    def forget(self, name: str) -> None:
        """Forget a program that is started anew."""
        self._seen.pop(name, None)
        with suppress(OSError):
            os.unlink(self.directory / name)

    def seconds_stuck(self, name: str, now: float) -> float | None:
        """Return for how long a program has been stuck; None if it is not. ``now``: monotonic seconds."""
        if now - self._looked_at > PAUSED_AFTER:
            self._seen.clear()
        self._looked_at = now
        try:
            touched = os.stat(self.directory / name).st_mtime_ns
        except OSError:
            return None  # it has not begun, or has no loop
        before, since = self._seen.get(name, (0, now))
        if before != touched:
            self._seen[name] = (touched, now)
            return None
        return now - since if now - since > STUCK_AFTER else None
