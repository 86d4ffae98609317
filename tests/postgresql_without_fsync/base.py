"""Start the suite's PostgreSQL without fsync before Django connects for the first time, and make the test database.

The database gets its tables by the recorded statements, in a tenth of the time that all migrations take. They make the
same tables (tests/config/upgrade/test_recorded_tables.py).
"""

import fcntl
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from django.db.backends.postgresql import creation

from config.local import embedded
from config.local.embedded import POSTGRES
from config.local.embedded.place import Place
from config.local.embedded.user_lock import locked, take
from config.postgresql import base
from config.upgrade.empty_database import create_tables

ROOT = Path(__file__).resolve().parents[2]


class DatabaseCreation(creation.DatabaseCreation):
    """Create the test database with tables, so that no migration is left to apply."""

    def _create_test_db(self, verbosity: int, autoclobber: bool, keepdb: bool = False) -> str:
        name = str(super()._create_test_db(verbosity, autoclobber, keepdb))
        self.connection.close()
        self.connection.settings_dict["NAME"] = name
        create_tables(self.connection)
        return name


class DatabaseWrapper(base.DatabaseWrapper):
    """The product's engine of the embedded server, which finds it started."""

    creation_class = DatabaseCreation

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a new connection. Raises CalledProcessError if the server cannot be started."""
        start_without_fsync(Path(self.settings_dict["WAYPOST_DATA"]))
        return super().get_new_connection(conn_params)


@cache
def start_without_fsync(data: Path) -> None:
    """Start the server of a data directory, unless it runs, and attach this process to it."""
    place = Place(POSTGRES.name, data)
    place.prepare()
    user = take(place.lease / "users", fcntl.LOCK_SH)  # a keeper without users stops its server
    try:
        with locked(place.lease / "starting"):
            if not embedded.is_kept(POSTGRES, data):
                command = [sys.executable, "-m", __package__, str(data)]
                subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=True)
        embedded.attach(POSTGRES, data)
    finally:
        os.close(user)
