"""Start a PostgreSQL server of its own for a test process, on a port of loopback, with passwords."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.local.embedded import POSTGRES
from config.local.embedded.place import Place
from tests.ports import free_port
from tests.processes import start
from tests.waiting import wait_until

FAST = {"listen_addresses": "127.0.0.1", "fsync": "off", "shared_buffers": "16MB", "max_connections": "30"}


@contextmanager
def postgres_server(**settings: str) -> Iterator[tuple[str, str]]:
    """Return the URL of an administrator (over the socket), and host and port for others, who need a password."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="waypost-pg-") as folder:
        Path(folder).chmod(0o711)
        place, port = Place("postgres", Path(folder)), free_port()
        place.prepare()
        try:
            POSTGRES.prepare(place)
            with (place.home / "cluster" / "pg_hba.conf").open("a") as rules:
                rules.write("host all all 127.0.0.1/32 scram-sha-256\n")
            options = [f"--{name}={value}" for name, value in {**FAST, **settings, "port": str(port)}.items()]
            server = start([*POSTGRES.command(place), *options], cwd="/", **place.identity)
            wait_until(lambda: POSTGRES.is_ready(place, server.pid), "PostgreSQL")
            yield f"postgresql://waypost@/postgres?host={place.sockets}&port={port}", f"127.0.0.1:{port}"
            server.terminate()
            server.wait()
        finally:
            place.remove()
