"""Import event types from the webhooks of an OpenAPI 3.1 document, as JSON or YAML."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import CommandError

from subscriptions.errors import Invalid
from subscriptions.event_types.exact_json import from_json
from subscriptions.event_types.importing import import_openapi
from subscriptions.event_types.models import SchemaCheckMode
from webhooks.kit.audit.commands import AuditedCommand


class Command(AuditedCommand):
    """Create and change the types of the deployment; print one line for each, and a summary."""

    help = "Import event types from the webhooks of an OpenAPI 3.1 document (JSON or YAML)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="print the report and write nothing")
        parser.add_argument(
            "--schema-check",
            choices=SchemaCheckMode.values,
            default=SchemaCheckMode.WARN,
            help="schema check of new types",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        document = _read(options["file"])
        check, dry_run = options["schema_check"], options["dry_run"]
        try:
            report = import_openapi(None, document, dry_run=dry_run, by_operator=True, schema_check=check)
        except Invalid as error:
            raise CommandError(f"{error} (at {error.pointer or 'the root'}; nothing was written)") from None
        for name in report.created:
            self.stdout.write(f"created    {name}")
        for change in report.changed:
            self.stdout.write(f"changed    {change['name']}: {', '.join(change['changes'])}")
        self.stdout.write(
            f"{len(report.created)} created, {len(report.changed)} changed, {len(report.unchanged)} unchanged"
            + ("; dry run: nothing was written" if dry_run else "")
        )


def _read(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        return from_json(text if path.suffix == ".json" else json.dumps(yaml.safe_load(text)))
    except (OSError, TypeError, ValueError, yaml.YAMLError) as error:
        raise CommandError(f"{path} could not be read: {error}") from None
