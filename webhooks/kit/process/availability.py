"""Log once when a broker or a database goes, and once when it is back, whatever number of calls fail in between."""

import threading
import time

import structlog

log = structlog.get_logger("waypost.dependencies")


class Availability:
    """Remember whether one dependency is away, as this process has met it. Any thread may call."""

    def __init__(self, name: str) -> None:
        """``name``: in the log lines, such as "database"."""
        self.name = name
        self._lock = threading.Lock()
        self._since: float | None = None
        self._failures = 0

    def on_failure(self, error: BaseException) -> None:
        """Record a call that failed, and log the first."""
        with self._lock:
            self._failures += 1
            if self._since is not None:
                return
            self._since = time.monotonic()
        said = (str(error).splitlines() or [""])[0]
        log.warning(f"{self.name} unavailable", error=type(error).__name__, detail=said)

    def on_success(self) -> None:
        """Record a call that succeeded, and log it if one before has failed."""
        if self._since is None:
            return
        with self._lock:
            since, failures = self._since, self._failures
            self._since, self._failures = None, 0
        if since is not None:
            log.info(f"{self.name} available again", seconds=round(time.monotonic() - since, 1), failures=failures)
