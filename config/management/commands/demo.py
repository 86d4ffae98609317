"""``manage.py demo``: the main job from end to end, on this machine only. The story is in ``config.local.demo``."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.local.demo.customer import Stalled
from config.local.demo.given import BadEvents
from config.local.demo.launch import CannotLaunch
from config.local.demo.screen import Screen
from config.local.demo.story import run
from config.local.demo.stranger import Refused


class Command(BaseCommand):
    help = "Starts the platform, publishes events to three endpoints, replays what died, and counts. Ctrl-C ends it."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--events", type=Path, metavar="FILE", help="one JSON event a line, or a JSON list of them")
        parser.add_argument("--exit", action="store_true", help="end after counting, do not stay up")
        parser.add_argument("--port", type=_port, metavar="N", help="of the platform; default: any free one")

    def handle(self, *args: Any, events: Path | None, port: int | None, **options: Any) -> None:
        try:
            counts = run(events, port, stay=not options["exit"], screen=Screen())
        except (BadEvents, CannotLaunch, Refused, Stalled) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            sys.exit(130)
        wrong = [str(count) for count in counts if not count.is_right]
        if wrong:
            raise CommandError("; ".join(wrong))


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)
