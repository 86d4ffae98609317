"""Publish from several threads while a platform is disturbed, and know what was accepted."""

import threading
import urllib.error
from collections.abc import Sequence

from tests.faults.running_platform import Platform


class Publishers:
    """Publish with several threads until told to stop, and keep the ids of what was accepted.

    Each event goes to the next of ``platforms``, a list that may change meanwhile.
    """

    def __init__(self, platforms: Sequence[Platform], threads: int) -> None:
        self._platforms = platforms
        self._stop = threading.Event()
        self.accepted: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        count = 0
        while not self._stop.is_set():
            name, count = f"{number}-{count}", count + 1
            platforms = list(self._platforms)
            try:
                platforms[count % len(platforms)].post("events", type="order.paid", id=name, data={"number": name})
            except (OSError, urllib.error.URLError):
                continue  # not accepted, as far as the publisher knows
            self.accepted.append(name)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
