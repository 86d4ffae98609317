"""Test the resident drain: it stays when nothing is due, and another one ends."""

import threading
import time

import pytest
from django.db import connection

from delivery.sending.drain import deliver_due
from delivery.sql.due import become_resident, end_residence


class Drain(threading.Thread):
    """A drain in a thread, with a connection of its own, that may stay."""

    def __init__(self) -> None:
        super().__init__()
        self.stopping = threading.Event()
        self.asked = 0

    def run(self) -> None:
        try:
            deliver_due(idle_timeout=0.05, stopping=self.stopping.is_set, stay=self._stay)
        finally:
            end_residence()
            connection.close()

    def _stay(self) -> bool:
        self.asked += 1
        return become_resident()


@pytest.mark.django_db(transaction=True)
def test_one_idle_drain_stays_and_the_other_ends() -> None:
    first, second = Drain(), Drain()
    first.start()
    while first.asked < 2:
        time.sleep(0.01)
    second.start()
    second.join()
    assert second.asked == 1
    assert first.is_alive()
    first.stopping.set()
    first.join()


@pytest.mark.django_db(transaction=True)
def test_drain_ends_when_idle_unless_it_is_to_stay() -> None:
    assert deliver_due(idle_timeout=0.05) == 0
