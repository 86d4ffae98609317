"""Run one of Django's commands. Loading this loads Django's management and its database, a tenth of a second's work."""

from collections.abc import Sequence

from django.core.management import execute_from_command_line
from django.db import InterfaceError, OperationalError

from config.local.launch import CannotRun


def run(words: Sequence[str]) -> None:
    """Run the command of these words, the first of which is the program. Raises CannotRun without a database."""
    try:
        execute_from_command_line([*words])
    except (OperationalError, InterfaceError) as error:
        raise CannotRun(str(error)) from None
