"""``manage.py upgrade``: upgrade the database to this version (see ``config.upgrade``)."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from config.backup.postgresql import BackupFailed
from config.management.findings import FindingsCommand
from config.upgrade import run
from config.upgrade.apply import CannotApply
from config.upgrade.pending import pending_migrations
from webhooks.version import VERSION


class Command(FindingsCommand):
    """Upgrade the database."""

    help = "Checks, backs up, and applies the migrations of this version while the platform runs. Can be run again."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--plan", action="store_true", help="show what would be done, and change nothing")
        backup = parser.add_mutually_exclusive_group()
        backup.add_argument(
            "--backup", type=Path, metavar="DIRECTORY", help="back up into it first; it must not exist yet"
        )
        backup.add_argument("--no-backup", action="store_true", help="make no backup: there is another one")
        parser.add_argument(
            "--wait", type=float, default=run.PATIENCE, metavar="SECONDS", help="for locks; default: %(default).0f"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        pending = pending_migrations()
        wanted = run.Options(options["backup"], options["wait"])
        is_wrong = self.show(run.findings(pending, wanted))
        for line in run.describe(pending):
            self.stdout.write(line)
        if is_wrong:
            raise CommandError("nothing was changed: correct what is marked as error first")
        if options["plan"]:
            return
        if run.needs_backup(pending) and wanted.backup is None and not options["no_backup"]:
            raise CommandError("say where to back up, with --backup DIRECTORY, or --no-backup")
        try:
            run.upgrade(wanted, self.report)
        except (CannotApply, BackupFailed) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(self.style.SUCCESS(f"the database is that of version {VERSION}; restart the programs now"))
