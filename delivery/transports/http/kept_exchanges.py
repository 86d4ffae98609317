"""Keep ended exchanges for the next attempts: many while there is work, few after a quiet time.

A curl handle that was used keeps about 50 KiB. Making one costs less than a hundredth of an attempt, but not nothing.
"""

import time

from delivery.transports.http.exchange import Exchange
from webhooks.kit.process.free_memory import return_free_memory

MOST = 512  # exchanges kept by one sender
MOST_WHEN_QUIET = 16  # the same after a quiet time
QUIET_AFTER = 2.0  # seconds without an exchange in flight


class KeptExchanges:
    """Hold the exchanges that wait for an attempt; the one that ended last is taken first."""

    def __init__(self) -> None:
        self._kept: list[Exchange] = []
        self._has_grown = False  # since the last quiet time began
        self.quiet_at: float | None = None  # when to call ``shrink``, in monotonic seconds

    def __len__(self) -> int:
        return len(self._kept)

    def take(self) -> Exchange | None:
        """Return an exchange, if one is kept."""
        return self._kept.pop() if self._kept else None

    def keep(self, exchange: Exchange) -> None:
        """Keep an exchange that has ended, or close it."""
        if exchange.is_reusable and len(self._kept) < MOST:
            self._kept.append(exchange)
            self._has_grown = True
        else:
            exchange.close()  # no client certificate stays on a handle that another endpoint may get

    def begin_quiet(self) -> None:
        """Note that no exchange is in flight. A quiet time begins with the exchange that ended last."""
        if self._has_grown:
            self._has_grown = False
            self.quiet_at = time.monotonic() + QUIET_AFTER if len(self._kept) > MOST_WHEN_QUIET else None

    def shrink(self) -> None:
        """Close all but a few."""
        self.quiet_at = None
        for exchange in self._kept[MOST_WHEN_QUIET:]:
            exchange.close()
        del self._kept[MOST_WHEN_QUIET:]
        return_free_memory()

    def close(self) -> None:
        """Close all."""
        for exchange in self._kept:
            exchange.close()
        self._kept.clear()
