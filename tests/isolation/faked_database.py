"""Run a PostgreSQL whose clock can be set, for a platform that is given its URL."""

import shutil
import subprocess
import tempfile
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
    """The URL of a database, its data directory, and the file with the offset of its clock in seconds."""

    url: str
    home: Path
    clock: Path


@contextmanager
def faked_database(guard: ProcessGuard) -> Iterator[FakedDatabase]:
    """Run the server until the end. Needs a C compiler."""
    home = Path(tempfile.mkdtemp(prefix="waypost-clock-"))
    home.chmod(0o711)  # so that the server's user can traverse it when we are root
    library, clock = home / "clock.so", home / "clock"
    source = Path(__file__).parents[1] / "faults" / "clock.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    library.chmod(0o755)
    clock.write_text("0")
    clock.chmod(0o644)
    place = Place(embedded.POSTGRES.name, home)
    place.prepare()
    embedded.POSTGRES.prepare(place)
    environment = {"LC_ALL": "C", "LD_PRELOAD": str(library), "WAYPOST_FAULTS_CLOCK": str(clock)}
    command = embedded.POSTGRES.command(place)
    server = guard.start(command, cwd="/", env=environment, stdin=subprocess.DEVNULL, **place.identity)
    wait_until(lambda: embedded.POSTGRES.is_ready(place, server.pid), "the database")
    try:
        yield FakedDatabase(embedded.database_url(home), home, clock)
    finally:
        server.send_signal(embedded.POSTGRES.stop_signal)
        server.wait()
        place.remove()
        shutil.rmtree(home, ignore_errors=True)
