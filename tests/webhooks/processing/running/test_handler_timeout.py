"""Test that a handler over its time limit is interrupted, or its process ended."""

import faulthandler
import signal
import subprocess
import sys
import threading
import time

import pytest

from webhooks.processing.running.handler_timeout import HandlerTimeout, time_limit

STUBBORN = """
import time
from webhooks.processing.running import handler_timeout

handler_timeout.GRACE = 0.3
with handler_timeout.time_limit(0.1):
    while True:
        try:
            time.sleep(3600)
        except BaseException:
            pass
"""


def test_time_limit_interrupts_the_handler_where_it_is() -> None:
    begun = time.monotonic()
    with pytest.raises(HandlerTimeout), time_limit(0.05):
        time.sleep(3600)
    assert time.monotonic() - begun < 3600


def test_time_limit_is_not_caught_by_except_exception() -> None:
    def stubborn() -> None:
        try:
            time.sleep(3600)
        except Exception:
            time.sleep(3600)

    with pytest.raises(HandlerTimeout), time_limit(0.05):
        stubborn()


def test_time_limit_that_is_caught_ends_the_process_with_a_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", STUBBORN], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert "line 9" in done.stderr


def test_time_limit_that_is_kept_leaves_no_timer() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(3600):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before
    faulthandler.cancel_dump_traceback_later()


def test_time_limit_in_another_thread_does_nothing() -> None:
    done = []

    def work() -> None:
        with time_limit(0.01):
            time.sleep(0.05)
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_time_limit_with_an_alarm_at_the_end_leaves_no_watchdog(monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled: list[bool] = []
    cancel = faulthandler.cancel_dump_traceback_later
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", lambda: cancelled.append(True) or cancel())
    stop = signal.setitimer

    def late(which: int, seconds: float) -> None:
        stop(which, seconds)
        if not seconds:
            signal.raise_signal(signal.SIGALRM)

    before = signal.getsignal(signal.SIGALRM)
    monkeypatch.setattr(signal, "setitimer", late)
    with pytest.raises(HandlerTimeout), time_limit(60):
        pass
    assert cancelled == [True]
    assert signal.getsignal(signal.SIGALRM) is before
