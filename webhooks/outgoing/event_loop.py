"""Run the coroutines of outgoing calls on one event loop, in a background thread of each process.

The thread starts at the first call. Nothing that runs in the loop may block: no database, no files, no locks.
"""

import asyncio
import threading

from webhooks.kit.process.per_process import PerProcess


def _start() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="outgoing calls", daemon=True).start()
    return loop


event_loop = PerProcess(_start)
