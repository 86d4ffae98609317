"""``manage.py restore``: restore the platform from a backup (see ``config.backup``)."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.backup.directory import restore
from config.backup.postgresql import BackupFailed


class Command(BaseCommand):
    """Restore the platform."""

    help = "Restores what manage.py backup has written, into an empty database, before any program is started."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path, help="the directory of the backup")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write("\n".join(restore(options["directory"])))
        except BackupFailed as error:
            raise CommandError(str(error)) from None
