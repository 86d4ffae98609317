"""Test how often `up` requests its probe, and what it says while the platform is not ready."""

from types import SimpleNamespace

import pytest

from config.local import readiness
from config.local.readiness import LATER_EVERY, READY_EVERY, START_WITHIN, Readiness
from tests.receiver import Receiver


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    found = SimpleNamespace(now=100.0)
    monkeypatch.setattr(readiness, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


def test_probe_is_requested_often_at_first_and_seldom_if_the_start_takes_long(clock: SimpleNamespace) -> None:
    with Receiver() as receiver:
        receiver.script("/readyz", 503, 503, 200)
        found = Readiness(receiver.url(""))
        assert (found.look(), found.seconds_to_next, found.warning()) == (False, READY_EVERY, "")
        clock.now += START_WITHIN + 1
        assert (found.look(), found.seconds_to_next) == (False, LATER_EVERY)
        assert found.warning() == f"not ready after 10 s; {receiver.url('')}/readyz says why"
        assert found.warning() == ""
        assert [found.look(), found.look()] == [True, False]
        assert (found.is_reached, found.seconds_to_next) == (True, LATER_EVERY)


def test_machine_without_a_probe_is_taken_to_be_ready() -> None:
    found = Readiness("")
    assert (found.look(), found.seconds_to_next, found.warning()) == (True, LATER_EVERY, "")
