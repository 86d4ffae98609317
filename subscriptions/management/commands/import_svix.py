"""Import endpoints from Svix (see ``subscriptions.svix_import``)."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from subscriptions.errors import Invalid
from subscriptions.registration import ensure_tenant
from subscriptions.svix_import import endpoints_in, import_endpoints
from webhooks.kit.audit.commands import AuditedCommand


class Command(AuditedCommand):
    """Create the endpoints of a file; print one line for each, and a summary."""

    help = "Import the endpoints of an application of Svix, from the JSON that its API lists them in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--tenant", required=True, metavar="UID", help="of the tenant; created if there is none")
        parser.add_argument("--dry-run", action="store_true", help="print the report and create nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            endpoints = endpoints_in(json.loads(options["file"].read_text(encoding="utf-8")))
            tenant = ensure_tenant(options["tenant"])
        except (OSError, ValueError) as error:
            raise CommandError(f"{options['file']} could not be read: {error}") from None
        except Invalid as error:
            raise CommandError(f"{error.field}: {error}") from None
        refused = 0
        for one in import_endpoints(tenant, endpoints, dry_run=options["dry_run"]):
            refused += one.outcome == "refused"
            self.stdout.write(f"{one.outcome:9} {one.uid}  {one.url}")
            for note in one.notes:
                self.stdout.write(f"{'':9} {note}")
        self.stdout.write(
            f"{len(endpoints)} endpoints, {refused} refused"
            + ("; dry run: nothing was created" if options["dry_run"] else "")
        )
        if refused:
            raise CommandError(f"{refused} endpoints were refused")
