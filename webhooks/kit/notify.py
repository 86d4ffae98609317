"""Ring after commit: "look", nothing more. A ring that fails costs nothing but time, since the schedule looks too.

Sending a message costs more than keeping a receipt and can hang with the broker, so no request waits for it: a
request only lifts a flag, and one thread a process turns flags into messages, at most one every ``PAUSE`` seconds.
"""

import os
import threading
import time

from celery import current_app

from webhooks import telemetry

TASK = "webhooks.process_due"
QUEUE = "default"
PAUSE = 0.02  # seconds between two rings: one wakes a worker as well as fifty
REST = 1.0  # seconds after a ring that failed: the schedule rings by then anyway
STALE = 10  # seconds after which nobody needs this ring any more


class Bell:
    def __init__(self) -> None:
        self._flag = threading.Event()
        self._lock = threading.Lock()
        self._process = 0

    def ring(self) -> None:
        """Something is due. Returns at once."""
        if self._process != os.getpid():  # threads do not survive a fork
            self._begin()
        self._flag.set()

    def _begin(self) -> None:
        with self._lock:
            if self._process == os.getpid():
                return
            self._flag = threading.Event()
            threading.Thread(target=self._watch, name="webhooks-bell", daemon=True).start()
            self._process = os.getpid()

    def _watch(self) -> None:
        while True:
            self._flag.wait()
            self._flag.clear()
            time.sleep(PAUSE if send() else REST)


def send() -> bool:
    """Put one message into the queue; a failure is counted, never raised. A project that has no broker has nobody to
    ring for: its workers look by themselves."""
    if not current_app.conf.broker_url:
        return True
    try:
        current_app.send_task(TASK, queue=QUEUE, ignore_result=True, retry=False, expires=STALE)
    except Exception as error:
        telemetry.log_wakeup_failed(error)
        return False
    return True


bell = Bell()


def ring() -> None:
    """Something is due, and committed. Returns at once, whatever the broker does."""
    bell.ring()
