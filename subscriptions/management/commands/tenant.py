"""Create a tenant and its first API key, and print them as one line of JSON for scripts."""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from subscriptions.errors import Invalid
from subscriptions.models import Scope
from subscriptions.tenants.keys import create_key
from subscriptions.tenants.tenants import create_tenant, of_same_name
from subscriptions.validation import check_name, check_uid
from webhooks.kit.audit.commands import AuditedCommand


class Command(AuditedCommand):
    """Create a tenant and its first API key, and print them."""

    help = 'Create a tenant and print {"tenant": ..., "api_key": ...} as one line of JSON.'

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="name of the tenant")
        parser.add_argument(
            "--uid", help="your own ID of the tenant: 1 to 256 letters, digits, hyphens, underscores and full stops"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            check_name(options["name"])
            check_uid("tnt", options["uid"])
            with transaction.atomic():
                tenant = create_tenant(options["name"], uid=options["uid"])
                _, text = create_key(tenant, Scope.values, name="manage.py tenant")
        except Invalid as error:
            raise CommandError(f"{error.field}: {error}") from None
        others = ", ".join(it.public_id for it in of_same_name(tenant))
        if others:
            self.stderr.write(f"Note: this name is also that of {others}. With --uid a name is not created twice.")
        self.stdout.write(json.dumps({"tenant": tenant.public_id, "api_key": text}))
