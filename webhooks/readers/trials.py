"""Read partitions beside the others that may not respond: new ones, and those of which the last attempt failed.

A process reads one partition after the other, and a system that does not respond takes seconds to fail, at each of
many sources. Each trial has a thread, with a database connection of its own that is closed at its end. Their number is
limited, and shared among tenants, so that one whose sources all fail leaves threads to others.
"""

import threading
from collections.abc import Callable
from uuid import UUID

from django.db import connection

from webhooks import telemetry
from webhooks.kit.fair.shares import Shares, fair_part
from webhooks.kit.process.per_process import PerProcess

MAX_TRIALS = 8  # at a time in a process, each with a database connection


class Trials:
    """Start trials in threads, at most ``capacity`` at a time, shared among owners (tenants)."""

    def __init__(self, capacity: int = MAX_TRIALS) -> None:
        self._shares = Shares("trials of sources", capacity)

    def has_room(self, owner: UUID) -> bool:
        """Return whether this owner may have another trial."""
        return fair_part(self._shares.free, self._shares.held(owner)) > 0

    def start(self, owner: UUID, slice_of_partition: Callable[[], int]) -> None:
        """Run a slice in a thread; the caller has asked for room. The thread ends with the process."""
        self._shares.take(owner)
        threading.Thread(target=self._run, args=(owner, slice_of_partition), name="trial", daemon=True).start()

    def _run(self, owner: UUID, slice_of_partition: Callable[[], int]) -> None:
        try:
            slice_of_partition()
        except Exception as error:  # of our database: the lease expires, and the partition is due again
            telemetry.log_trial_failed(error)
        finally:
            connection.close()
            self._shares.release(owner)


trials_of_process = PerProcess(Trials)
"""The trials of this process."""
