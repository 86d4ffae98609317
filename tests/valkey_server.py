"""Start a Valkey server of its own for a test process, on a port of loopback."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from config.local.embedded.valkey import PACKAGE
from tests.ports import free_port
from tests.processes import start
from tests.waiting import wait_until


@contextmanager
def valkey_server(*options: str) -> Iterator[str]:
    """Return host and port of a server that stores nothing on disk."""
    port = free_port()
    binary = next(Path(next(iter(find_spec(PACKAGE).submodule_search_locations))).glob("_binaries/*/valkey-server"))
    with tempfile.TemporaryDirectory() as folder:
        command = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        server = start([*command, "--logfile", str(Path(folder) / "log"), *options])
        wait_until(lambda: _accepts(port), "Valkey")
        yield f"127.0.0.1:{port}"
        server.kill()
        server.wait()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
