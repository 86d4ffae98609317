"""Run a management command as an operation of the user of this machine."""

import getpass
import socket
from typing import Any

from django.core.management.base import BaseCommand

from webhooks.kit.audit.operation import Operation, running


class AuditedCommand(BaseCommand):
    """A command that changes something: the entries of the audit name it and the user who ran it."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command as an operation."""
        name = f"manage.py {type(self).__module__.rpartition('.')[2]}"
        with running(Operation(origin="command", name=name, actor_type="command", actor_name=_user())):
            return super().execute(*args, **options)


def _user() -> str:
    """Return the name of the user and the machine; a container may have users without a name."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:256]
