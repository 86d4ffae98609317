"""Real servers with nothing to install: PostgreSQL and Valkey out of their wheels, run while somebody needs them.

    attach(POSTGRES, data)      the server runs, and goes on running as long as this process lives
    database_url(data)          where it answers
    broker_url(data)
    discard(data)               stop both and forget all they kept

Nobody owns a server. Each process that uses one holds a shared lock (`lease.py`); a small process, the keeper
(`keeper.py`), runs the server for as long as such a lock is held and stops it when the last one is gone, however
its holder ended: the kernel drops a lock even after kill -9. Where the files lie and which user the servers run
as is decided in `place.py`; root never runs a server.
"""

import shutil
from pathlib import Path
from urllib.parse import quote

from config.local.embedded.lease import attach, leave
from config.local.embedded.place import EmbeddedError, Place
from config.local.embedded.postgres import Postgres
from config.local.embedded.server import Server
from config.local.embedded.valkey import Valkey

__all__ = ["POSTGRES", "VALKEY", "EmbeddedError", "Server", "attach", "broker_url", "database_url", "discard", "leave"]


POSTGRES = Postgres()
VALKEY = Valkey()


def database_url(data: Path) -> str:
    """The embedded database, as DATABASE_URL would name it."""
    place = Place(POSTGRES.name, data)
    place.prepare()
    return f"postgresql://waypost@/waypost?host={quote(str(place.sockets), safe='')}"


def broker_url(data: Path) -> str:
    """The embedded broker, as REDIS_URL would name it."""
    place = Place(VALKEY.name, data)
    place.prepare()
    return f"redis+socket://{VALKEY.socket(place)}"


def discard(data: Path, wait: float | None = None) -> None:
    """Stop the servers of this data directory, then remove it and all they kept.

    Waits until nobody else uses them. Raises EmbeddedError if that takes longer than `wait` seconds.
    """
    for server in (POSTGRES, VALKEY):
        if not leave(server, data, wait):
            raise EmbeddedError(f"the embedded {server.name} of {data} is in use")
        Place(server.name, data).remove()
    shutil.rmtree(data, ignore_errors=True)
