"""Define ``manage.py process_receipts``: run handlers without Celery until interrupted."""

import signal
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from webhooks.processing.worker import run_once, run_worker


class Command(BaseCommand):
    """Process receipts in this process."""

    help = "Run the handlers of receipts that are due, until interrupted. Celery's workers do the same."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="stop when nothing is due, and print the number processed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            self.stdout.write(f"{run_once()} processed")
            return
        stop = Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        run_worker(stop)
