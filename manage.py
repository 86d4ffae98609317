#!/usr/bin/env python
"""Run a command of the platform: `python manage.py up`, `python manage.py help`."""

from config.command_line import main

if __name__ == "__main__":
    main()
