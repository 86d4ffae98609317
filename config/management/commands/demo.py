"""Run the demo of `config.local.demo`."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.local.demo.api_client import ApiError
from config.local.demo.events import InvalidEvents
from config.local.demo.launch import CannotLaunch
from config.local.demo.story import Stalled, run


class Command(BaseCommand):
    """Run the demo."""

    help = "Starts the platform, publishes events to three endpoints, replays dead letters, and counts. Ctrl-C ends it."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--events", type=Path, metavar="FILE", help="one JSON event on each line")
        parser.add_argument("--sources", action="store_true", help="show a schedule and sources that are read too")
        parser.add_argument("--exit", action="store_true", help="end after counting; do not stay up")

    def handle(self, *args: Any, events: Path | None, **options: Any) -> None:
        try:
            counts = run(events, stay=not options["exit"], sources=options["sources"])
        except (InvalidEvents, CannotLaunch, ApiError, Stalled) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            sys.exit(130)
        if wrong := [str(one) for one in counts if one.found != one.expected]:
            raise CommandError("; ".join(wrong))
