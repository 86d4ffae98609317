#!/usr/bin/env python
"""The door for people at a terminal: every command of the platform starts here."""

import os
import sys

from django.core.management import execute_from_command_line

from config.embedded import EmbeddedError
from config.env import Misconfigured


def main() -> None:
    """Run one command; what an operator got wrong is said in one line, without a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except (Misconfigured, EmbeddedError) as error:
        sys.exit(f"waypost: {error}")


if __name__ == "__main__":
    main()
