"""Run a PostgreSQL whose clock can be set, for a platform that is given its URL."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from config.local import embedded
from config.local.embedded.place import Place
from config.local.process_guard import ProcessGuard
from tests.waiting import wait_until


@dataclass(frozen=True)
class FakedDatabase:
    """The URL of a database, and the file with the offset of its clock in seconds."""

    url: str
    clock: Path


@contextmanager
def faked_database(data: Path, guard: ProcessGuard) -> Iterator[FakedDatabase]:
    """Run the server until the end. Needs a C compiler."""
    library, clock = data / "clock.so", data / "clock-of-the-database"
    source = Path(__file__).parents[1] / "faults" / "clock.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    library.chmod(0o755)
    clock.write_text("0")
    clock.chmod(0o644)
    home = data / "other"
    home.mkdir(mode=0o711)
    place = Place(embedded.POSTGRES.name, home)
    place.prepare()
    embedded.POSTGRES.prepare(place)
    environment = {"LC_ALL": "C", "LD_PRELOAD": str(library), "WAYPOST_FAULTS_CLOCK": str(clock)}
    command = embedded.POSTGRES.command(place)
    server = guard.start(command, cwd="/", env=environment, stdin=subprocess.DEVNULL, **place.identity)
    wait_until(lambda: embedded.POSTGRES.is_ready(place, server.pid), "the database")
    try:
        yield FakedDatabase(embedded.database_url(home), clock)
    finally:
        server.send_signal(embedded.POSTGRES.stop_signal)
        server.wait()
        place.remove()
