"""Django's PostgreSQL, which makes sure that the embedded server runs before it connects to it.

Used only where no DATABASE_URL is given. Starting at the first connection, and not when settings load, lets
`migrate`, `shell` and `pytest` work by hand while `check`, `--help` and a type checker start nothing.
"""

from pathlib import Path
from typing import Any

from django.db.backends.postgresql import base
from django.db.utils import OperationalError

from config.local import embedded


class DatabaseWrapper(base.DatabaseWrapper):
    """The stock backend, whose server is looked for, and if need be started, before each new connection."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            embedded.attach(embedded.POSTGRES, Path(self.settings_dict["WAYPOST_DATA"]))
        except embedded.EmbeddedError as error:
            raise OperationalError(str(error)) from error
        return super().get_new_connection(conn_params)
