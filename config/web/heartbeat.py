"""Write the heartbeat of a web process, and touch its file while its event loop turns."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from django.db import Error

from config.local.process_guard import own_name
from delivery.load import heartbeats, roles
from webhooks.kit.fair.shares import ShareExceeded
from webhooks.kit.fair.threads import FairThreads
from webhooks.kit.process.pulse import BEAT_EVERY, pulse
from webhooks.kit.process.wake_ups import seconds_until

SHARE = "heartbeat"
_writing: set["asyncio.Task[None]"] = set()  # at most one: the loop does not wait for the database


def start(threads: FairThreads) -> None:
    """Beat from now on in the running event loop; the database is called in one of these threads."""
    heartbeat = heartbeats.begin(roles.WEB, own_name("web"))

    def write() -> None:
        if heartbeat.is_due() and not _writing:
            task = asyncio.get_running_loop().create_task(_write(threads, heartbeat))
            _writing.add(task)
            task.add_done_callback(_writing.discard)

    start_pulse(write)


def start_pulse(also: Callable[[], object] = lambda: None) -> None:
    """Touch the file and call ``also``, now and every BEAT_EVERY seconds."""
    loop = asyncio.get_running_loop()

    def beat() -> None:
        pulse.beat()
        also()
        loop.call_later(seconds_until(BEAT_EVERY), beat)

    beat()


async def _write(threads: FairThreads, heartbeat: heartbeats.HeartbeatWriter) -> None:
    with suppress(Error, ShareExceeded):
        await threads.run(SHARE, heartbeat.write)
