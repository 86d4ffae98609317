"""Evaluate alert rules and send their messages in a web process, while no worker does.

Workers evaluate rules when the schedule wakes them by the broker. An alert that one of these three is gone must need
none of them. So each web process asks the database every few seconds whether rules, or messages, are left lying, and
then does what a worker would have done, in a thread of its own. The rows are the lease: a rule is evaluated under its
lock and then due later, and a message is sent under its claim (``delivery.alerts``). So several web processes, and
workers that come back meanwhile, do nothing twice.

An endpoint as a channel gets its message as a delivery, which a drain has to send. Mail and Apprise need no worker.

Failure: while the database is away nothing is evaluated. ``/readyz`` and the metrics say so (docs/why/alerts.md).
"""

import asyncio
import threading
from contextlib import suppress

import structlog
from django.db import Error, connection

from delivery import telemetry
from delivery.alerts import evaluate, send
from webhooks.encryption.check import keys_problem
from webhooks.kit.fair.shares import ShareExceeded
from webhooks.kit.fair.threads import FairThreads
from webhooks.kit.process.wake_ups import seconds_until

FIRST_LOOK = 30.0  # seconds after the start, in which the workers of a machine that starts too begin
LOOK_EVERY = 10.0  # seconds between two looks
AFTER_HEARTBEAT = 0.1  # seconds: a look then uses the thread and the connection of the heartbeat, which are free again
SHARE = "alerts"

log = structlog.get_logger("waypost.alerts")
_watching: set["asyncio.Task[None]"] = set()  # one in each process: the loop itself keeps no reference


def start(threads: FairThreads) -> None:
    """Look after FIRST_LOOK seconds and then every LOOK_EVERY, in one of these threads, from the running event loop."""
    task = asyncio.get_running_loop().create_task(_watch(threads))
    _watching.add(task)
    task.add_done_callback(_watching.discard)


def are_neglected() -> bool:
    """Return whether alert rules or their messages wait, and no process takes them. Raises django.db.Error."""
    return evaluate.is_neglected() or send.is_neglected()


def take_over() -> None:
    """Evaluate the rules that are due and send the messages; log what fails."""
    try:
        rules = evaluate.run()
        messages = 0 if keys_problem() else send.run()
        if rules or messages:
            telemetry.alerts_taken_over(rules, messages)
    except Exception as error:
        log.warning("alerts not evaluated", error=repr(error))
    finally:
        connection.close()


async def _watch(threads: FairThreads) -> None:
    worker: threading.Thread | None = None
    await asyncio.sleep(FIRST_LOOK)
    while True:
        with suppress(Error, ShareExceeded, RuntimeError):  # no database, no place, or no thread: at the next look
            is_busy = worker is not None and worker.is_alive()
            if not is_busy and await threads.run(SHARE, are_neglected):
                worker = threading.Thread(target=take_over, name=SHARE, daemon=True)
                worker.start()
        await asyncio.sleep(seconds_until(LOOK_EVERY) + AFTER_HEARTBEAT)
