"""Check this installation (see ``config.doctor``)."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from config.doctor.checks import examine
from config.doctor.finding import Level
from config.management.findings import FindingsCommand


class Command(FindingsCommand):
    """Check this installation."""

    help = "Check database, broker, storage, addresses and workers, and say what to do. Status 1 if anything is wrong."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print a line of JSON for each finding")
        parser.add_argument("--no-delivery", action="store_true", help="do not publish an event and wait for it")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = examine(with_delivery=not options["no_delivery"])
        if not options["json"]:
            sys.exit(int(self.show(findings)))
        is_wrong = False
        for finding in findings:
            is_wrong = is_wrong or finding.level is Level.ERROR
            self.stdout.write(json.dumps(finding._asdict()))
        sys.exit(int(is_wrong))
