"""Run the web server: uvicorn with the platform's protocol and application (``python -m config.web``)."""

import argparse
import asyncio
import gc
import socket
import sys
from email.utils import formatdate
from pathlib import Path
from types import FrameType
from typing import Any

import django
import uvicorn
from django.apps import apps
from django.conf import settings
from django.utils.module_loading import import_string

from config.local.process_guard import own_name
from config.local.stuck import begin_pulse
from config.ops import logs
from config.traces.switch import start_traces
from config.web.connection_limits import MAX_CONNECTIONS, limits
from config.web.connections import LimitedProtocol
from webhooks.kit.process.open_files import free_for_connections, raise_limit

BACKLOG = 4096  # connections that wait to be accepted
KEEP_ALIVE = 75  # seconds; longer than the idle timeout of common proxies, so that they close first
SWITCH_INTERVAL = 0.001  # seconds until a thread that computes lets the event loop run; Python's default is 0.005
STOP_WITHIN = 8  # seconds for requests in progress, when the server is stopped

OPTIONS: dict[str, Any] = {  # of uvicorn
    "http": LimitedProtocol,
    "ws": "none",
    "lifespan": "off",
    "loop": "uvloop",
    "backlog": BACKLOG,
    "proxy_headers": False,  # webhooks.kit.clients reads them
    "server_header": False,
    "access_log": False,
    "log_config": None,  # Django configures logging
    "log_level": "error",
    "timeout_keep_alive": KEEP_ALIVE,
    "timeout_graceful_shutdown": STOP_WITHIN,
}


class TicklessServer(uvicorn.Server):
    """Wake up for connections and signals only, without a tick; uvicorn wakes up ten times a second."""

    _loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        """Renew the header Date while there are connections; return once the server has to stop."""
        self._stop_requested = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        limits.on_tick = self._renew_date
        self._renew_date()
        while not self.should_exit:
            await self._stop_requested.wait()

    def _renew_date(self) -> None:
        self.server_state.default_headers = [(b"date", formatdate(usegmt=True).encode()), *self.config.encoded_headers]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop: the handler of signals."""
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop_requested.set)


def main() -> None:
    """Run the server until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m config.web", description="Serve the platform over HTTP.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=settings.WAYPOST_WEB_WORKERS, help="number of processes")
    parser.add_argument("--listener", type=int, help="descriptor of the socket to accept from, instead of the address")
    parser.add_argument("--probes", action="store_true", help="serve probes and metrics only, at WAYPOST_METRICS_PORT")
    options = parser.parse_args()
    logs.name_program(own_name("probes" if options.probes else "web"))
    begin_pulse(Path(settings.WAYPOST_DATA))
    server: dict[str, Any] = {"app": "config.web.server:create_application", "factory": True, **OPTIONS}
    if options.probes:
        if not settings.WAYPOST_METRICS_PORT:
            parser.error("argument --probes: needs WAYPOST_METRICS_PORT")
        server["app"] = "config.web.server:create_probes"
        uvicorn.run(**server, host=settings.WAYPOST_METRICS_HOST, port=settings.WAYPOST_METRICS_PORT)
    elif options.listener is not None:
        TicklessServer(uvicorn.Config(**server)).run([socket.socket(fileno=options.listener)])
    else:
        uvicorn.run(**server, host=options.host, port=options.port, workers=options.workers)


def create_application() -> object:
    """Prepare the process, and return its application."""
    application = _prepared("config.web.application.application")
    import_string("config.web.heartbeat.start")(application.probe_threads)
    import_string("config.web.alerts.start")(application.probe_threads)
    return application


def create_probes() -> object:
    """Prepare the process, and return the application that serves probes and metrics only."""
    application = _prepared("config.web.application.WebApplication")(serves_probes_only=True)
    import_string("config.web.heartbeat.start_pulse")()
    return application


def _prepared(name: str) -> Any:
    """Prepare the process, and return an object of the application, whose module imports models."""
    if not apps.ready:
        django.setup()
    found = import_string(name)
    start_traces()
    _open_many_files()
    gc.collect()
    gc.freeze()  # what was loaded at the start is not garbage
    gc.set_threshold(10_000, 20, 50)
    sys.setswitchinterval(SWITCH_INTERVAL)
    return found


def _open_many_files() -> None:
    """Raise the limit of open files, and accept no more connections than it leaves room for."""
    raise_limit()
    limits.shares.capacity = max(16, min(MAX_CONNECTIONS, free_for_connections()))
