"""``manage.py up``: run everything in one foreground process group (see ``config.local.up``)."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.local import launch, up


class Command(BaseCommand):
    """Run the platform."""

    help = "Runs the whole platform until Ctrl-C: servers, migrations, web, workers and schedule."
    requires_system_checks = ()  # they run while an empty database gets its tables

    def add_arguments(self, parser: ArgumentParser) -> None:
        launch.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            up.run(launch.current(), self.check)
        except launch.CannotRun as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            sys.exit(130)
