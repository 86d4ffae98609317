"""A handler that does not come back is ended, whatever it does about it."""

import faulthandler
import signal
import subprocess
import sys
import threading
import time

import pytest

from webhooks.processing.handler_timeout import HandlerTimeout, time_limit

STUBBORN = """
import time
from webhooks.processing import handler_timeout

handler_timeout.GRACE = 0.3
with handler_timeout.time_limit(0.1):
    while True:
        try:
            time.sleep(3600)
        except BaseException:
            pass
"""


def test_what_takes_too_long_is_interrupted_where_it_is() -> None:
    begun = time.monotonic()
    with pytest.raises(HandlerTimeout), time_limit(0.05):
        time.sleep(3600)
    assert time.monotonic() - begun < 3600


def test_a_handler_that_catches_every_exception_does_not_catch_this() -> None:
    def stubborn() -> None:
        try:
            time.sleep(3600)
        except Exception:
            time.sleep(3600)

    with pytest.raises(HandlerTimeout), time_limit(0.05):
        stubborn()


def test_a_handler_that_catches_even_this_ends_its_process_and_says_where_it_hung() -> None:
    done = subprocess.run([sys.executable, "-c", STUBBORN], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert "line 9" in done.stderr


def test_what_is_done_in_time_leaves_no_clock_behind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(3600):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before
    faulthandler.cancel_dump_traceback_later()


def test_in_another_thread_nothing_is_interrupted_and_nothing_breaks() -> None:
    done = []

    def work() -> None:
        with time_limit(0.01):
            time.sleep(0.05)
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_an_alarm_at_the_very_end_leaves_no_watchdog_behind(monkeypatch: pytest.MonkeyPatch) -> None:
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
