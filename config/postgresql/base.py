"""Start the embedded PostgreSQL, if it does not run, before Django connects.

Used only where no DATABASE_URL is given. Starting at the first connection, and not when settings load, lets
`migrate`, `shell` and `pytest` work by hand while `check`, `--help` and a type checker start nothing.
"""

from pathlib import Path
from typing import Any

from django.db.backends.postgresql import base
from django.db.utils import OperationalError

from config.local import embedded


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's PostgreSQL backend that starts the embedded server before each new connection, if need be."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a new connection. Raises OperationalError if the embedded server cannot be started."""
        try:
            embedded.attach(embedded.POSTGRES, Path(self.settings_dict["WAYPOST_DATA"]))
        except embedded.EmbeddedError as error:
            raise OperationalError(str(error)) from error
        return super().get_new_connection(conn_params)
