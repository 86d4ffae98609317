"""``manage.py backup``: back the platform up into a directory (see ``config.backup``)."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from config.backup.directory import back_up
from config.backup.postgresql import BackupFailed
from webhooks.audit.entries import record
from webhooks.audit.models import AuditEntry
from webhooks.kit.audit.commands import AuditedCommand
from webhooks.kit.audit.operation import current_operation


class Command(AuditedCommand):
    """Back the platform up."""

    help = "Backs up the database and local large bodies into a new directory, while everything runs on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path, help="it must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write("\n".join(back_up(options["directory"])))
        except BackupFailed as error:
            raise CommandError(str(error)) from None
        if (operation := current_operation()) is not None:  # a backup holds every payload
            record(operation, AuditEntry.Action.PERFORMED, {"note": f"backed up to {options['directory']}"})
