"""Request the probe of this machine until it is ready: often while it starts, and then every few seconds."""

import time
import urllib.request

READY_EVERY = 0.02  # seconds between two requests, while the programs start
START_WITHIN = 10.0  # seconds in which they usually have started
LATER_EVERY = 5.0  # seconds between two requests after that


class Readiness:
    """Remember whether the platform was ready. ``where``: address of its probe; empty: it is taken to be ready."""

    def __init__(self, where: str) -> None:
        self.is_reached = False
        self._where = where
        self._started_at = time.monotonic()
        self._is_announced = False

    @property
    def seconds_to_next(self) -> float:
        """Return in how many seconds to look again."""
        return LATER_EVERY if self.is_reached or self._is_slow() else READY_EVERY

    def look(self) -> bool:
        """Return whether the platform is ready now and was not before."""
        if self.is_reached or (self._where and not _is_ready(self._where)):
            return False
        self.is_reached = True
        return True

    def warning(self) -> str:
        """Return once that the start takes long and where the reason is; else an empty text."""
        if self.is_reached or self._is_announced or not self._is_slow():
            return ""
        self._is_announced = True
        return f"not ready after {START_WITHIN:.0f} s; {self._where}/readyz says why"

    def _is_slow(self) -> bool:
        return time.monotonic() - self._started_at > START_WITHIN


def _is_ready(where: str) -> bool:
    try:
        return bool(_direct.open(f"{where}/readyz", timeout=1).status == 200)
    except OSError:
        return False


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the probe must not go through a proxy
