"""Check this installation (see ``config.doctor``)."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from config.doctor.checks import examine
from config.doctor.finding import Level

COLORS = {Level.OK: "SUCCESS", Level.WARNING: "WARNING", Level.ERROR: "ERROR"}


class Command(BaseCommand):
    """Check this installation."""

    help = "Check database, broker, storage, addresses and workers, and say what to do. Status 1 if anything is wrong."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print a line of JSON for each finding")
        parser.add_argument("--no-delivery", action="store_true", help="do not publish an event and wait for it")

    def handle(self, *args: Any, **options: Any) -> None:
        is_wrong = False
        for finding in examine(with_delivery=not options["no_delivery"]):
            is_wrong = is_wrong or finding.level is Level.ERROR
            if options["json"]:
                self.stdout.write(json.dumps(finding._asdict()))
                continue
            color = getattr(self.style, COLORS[finding.level])
            self.stdout.write(f"{color(f'{finding.level:8}')} {finding.text}")
            if finding.advice:
                self.stdout.write(f"{'':8} -> {finding.advice}")
        sys.exit(int(is_wrong))
