"""Run real servers with nothing to install: PostgreSQL and Valkey from their wheels, for as long as they are used.

    attach(POSTGRES, data)      start the server if need be; it runs at least as long as this process lives
    database_url(data)          its address
    broker_url(data)
    discard(data)               stop both servers and remove their files

No process owns a server. Each process that uses one holds a shared lock (`user_lock.py`). A small process, the keeper
(`keeper.py`), runs the server while such a lock is held and stops it when the last one is released, however its
holder ended: the kernel releases locks even after kill -9. `place.py` decides where the files are and which user the
servers run as; no server runs as root.
"""

import shutil
from pathlib import Path
from urllib.parse import quote

from config.local.embedded.place import EmbeddedError, Place
from config.local.embedded.postgres import Postgres
from config.local.embedded.server import Server
from config.local.embedded.user_lock import attach, is_kept, leave
from config.local.embedded.valkey import Valkey

__all__ = [
    "DEFAULT_DATA",
    "POSTGRES",
    "VALKEY",
    "EmbeddedError",
    "Server",
    "attach",
    "broker_url",
    "database_url",
    "discard",
    "is_kept",
    "leave",
]


_ROOT = Path(__file__).resolve().parents[3]
# In the checkout; of an installed package, which may be read-only and is replaced by an upgrade, where it is run.
DEFAULT_DATA = (_ROOT if (_ROOT / "manage.py").exists() else Path.cwd()) / ".waypost"
POSTGRES = Postgres()
VALKEY = Valkey()


def database_url(data: Path) -> str:
    """Return the DATABASE_URL of the embedded PostgreSQL."""
    place = Place(POSTGRES.name, data)
    place.prepare()
    return f"postgresql://waypost@/waypost?host={quote(str(place.sockets), safe='')}"


def broker_url(data: Path) -> str:
    """Return the REDIS_URL of the embedded Valkey."""
    place = Place(VALKEY.name, data)
    place.prepare()
    return f"redis+socket://{VALKEY.socket(place)}"


def discard(data: Path, wait: float | None = None) -> None:
    """Stop the servers of this data directory, then remove it and all their files.

    Waits until no other process uses them. Raises EmbeddedError if that takes longer than `wait` seconds.
    """
    for server in (POSTGRES, VALKEY):
        if not leave(server, data, wait):
            raise EmbeddedError(f"the embedded {server.name} of {data} is in use")
        Place(server.name, data).remove()
    shutil.rmtree(data, ignore_errors=True)
