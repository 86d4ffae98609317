"""``manage.py up``: run everything in one foreground process group (see ``config.local.up``)."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.local import up


class Command(BaseCommand):
    """Run the platform."""

    help = "Runs the whole platform until Ctrl-C: servers, migrations, web, workers and schedule."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="default: 8000")
        parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine only")

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        try:
            up.run(host, port)
        except up.CannotRun as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            sys.exit(130)
