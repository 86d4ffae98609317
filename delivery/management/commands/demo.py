"""``manage.py demo``: the main job from end to end, on this machine only. The story is in ``delivery.demo``."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from delivery.demo.customer import Stalled
from delivery.demo.given import BadEvents
from delivery.demo.launch import CannotLaunch
from delivery.demo.screen import Screen
from delivery.demo.story import run
from delivery.demo.stranger import Refused


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
