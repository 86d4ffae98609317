"""Share a limited resource: each key may hold as much as is free at that moment.

The rule is that of dynamic thresholds for shared buffers (Choudhury and Hahne, "Dynamic queue length thresholds for
shared-memory packet switches", 1998). Alone a key gets half of the resource, a second one a quarter, and so on: the
next key always gets something, without a fixed part for each, which would be small where keys are many.
"""

import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


def fair_part(free: int, held: int) -> int:
    """Return how much more a key may take that holds ``held``: afterwards it holds at most what is left, plus one."""
    return max(free - held + 1, 0) // 2


class ShareExceeded(Exception):
    """The key holds as much as it may now; ``what`` names the resource for the error."""

    def __init__(self, what: str) -> None:
        super().__init__(f"Too much at once: {what}. Wait for earlier requests to end.")
        self.what = what


class Shares:
    """Count how much of ``capacity`` each key holds. ``what`` names the resource in errors. Threads may share it.

    ``most``: a fixed limit for each key, below the rule above.
    """

    def __init__(self, what: str, capacity: int, *, most: int | None = None) -> None:
        self.what = what
        self.capacity = capacity
        self._most = capacity if most is None else most
        self._held: Counter[Hashable] = Counter()
        self._total = 0
        self._lock = threading.Lock()

    @property
    def free(self) -> int:
        """Return the part of the capacity that no key holds."""
        return self.capacity - self._total

    def held(self, key: Hashable) -> int:
        """Return how much a key holds."""
        return self._held[key]

    def take(self, key: Hashable, amount: int = 1) -> bool:
        """Take an amount for a key, if its share allows; return whether it was taken."""
        with self._lock:
            held = self._held.get(key, 0)
            if held + amount > self._most or amount > fair_part(self.free, held):  # the last unit goes to a new key
                return False
            self._held[key] = held + amount
            self._total += amount
            return True

    def release(self, key: Hashable, amount: int = 1) -> None:
        """Give back an amount that was taken."""
        with self._lock:
            self._total -= amount
            self._held[key] -= amount
            if self._held[key] <= 0:
                del self._held[key]

    @contextmanager
    def hold(self, key: Hashable, amount: int = 1) -> Iterator[None]:
        """Hold an amount as long as the context lasts. Raises ShareExceeded."""
        if not self.take(key, amount):
            raise ShareExceeded(self.what)
        try:
            yield
        finally:
            self.release(key, amount)
