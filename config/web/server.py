"""Run the web server: uvicorn with the platform's protocol and application (``python -m config.web``)."""

import argparse
import gc
import socket
import sys
from typing import Any

import django
import uvicorn
from django.apps import apps
from django.conf import settings
from django.utils.module_loading import import_string

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


def main() -> None:
    """Run the server until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m config.web", description="Serve the platform over HTTP.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=settings.WAYPOST_WEB_WORKERS, help="number of processes")
    parser.add_argument("--listener", type=int, help="descriptor of the socket to accept from, instead of the address")
    options = parser.parse_args()
    server: dict[str, Any] = {"app": "config.web.server:create_application", "factory": True, **OPTIONS}
    if options.listener is not None:
        uvicorn.Server(uvicorn.Config(**server)).run([socket.socket(fileno=options.listener)])
    else:
        uvicorn.run(**server, host=options.host, port=options.port, workers=options.workers)


def create_application() -> object:
    """Prepare the process, and return its application."""
    if not apps.ready:
        django.setup()
    application: object = import_string("config.web.application.application")  # it imports models
    _open_many_files()
    gc.collect()
    gc.freeze()  # what was loaded at the start is not garbage
    gc.set_threshold(10_000, 20, 50)
    sys.setswitchinterval(SWITCH_INTERVAL)
    return application


def _open_many_files() -> None:
    """Raise the limit of open files, and accept no more connections than it leaves room for."""
    raise_limit()
    limits.shares.capacity = max(16, min(MAX_CONNECTIONS, free_for_connections()))
