#!/usr/bin/env python
"""The door for people at a terminal: every command of the platform starts here."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import InterfaceError, OperationalError

from config.env import Misconfigured
from config.local import launch
from config.local.embedded import EmbeddedError


def main() -> None:
    """Run one command; what is wrong around us, and not in the code, is said in one line without a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        launch.begin(sys.argv[1:])
        execute_from_command_line(sys.argv)
    except (Misconfigured, EmbeddedError, launch.CannotRun, OperationalError, InterfaceError) as error:
        sys.exit(f"waypost: {str(error).splitlines()[0]}")


if __name__ == "__main__":
    main()
