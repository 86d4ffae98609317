"""Create a link to the portal of a tenant: to look at the pages, or for a person without an account of the host."""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from subscriptions.errors import Invalid
from subscriptions.models import Tenant
from subscriptions.portal_access.links import create_link
from subscriptions.tenants.tenants import create_tenant
from subscriptions.validation import check_uid
from webhooks.kit.audit.commands import AuditedCommand
from webhooks.kit.rest.lookup import find


class Command(AuditedCommand):
    """Create a link to the portal of a tenant and print it."""

    help = 'Create a one-time link to the portal of a tenant and print {"tenant": ..., "url": ...} as one line of JSON.'

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", metavar="TENANT", help="ID of the tenant, or your own ID of it")
        parser.add_argument(
            "--user", default="", help="who it is for, as activities name it: an ID or an e-mail address"
        )
        parser.add_argument("--create", action="store_true", help="create the tenant, if none has this ID of yours")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["tenant"]
        with transaction.atomic():
            tenant = find(Tenant.objects.filter(deleted_at=None), name)
            if tenant is None and not options["create"]:
                raise CommandError(f"No tenant with the ID {name}; --create creates it.")
            _, url = create_link(
                tenant or self._create(name), user=options["user"][:256], created_by="manage.py portal_link"
            )
        self.stdout.write(json.dumps({"tenant": name, "url": url}))

    def _create(self, name: str) -> Tenant:
        try:
            check_uid("tnt", name)
            return create_tenant(name, uid=name)
        except Invalid as error:
            raise CommandError(f"{error.field}: {error}") from None
