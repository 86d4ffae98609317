"""``manage.py tenant NAME``: a tenant and its first key, as one line of JSON for the program that asked."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from subscriptions.errors import Invalid
from subscriptions.models import Scope
from subscriptions.tenants.keys import create_key
from subscriptions.tenants.tenants import create_tenant
from subscriptions.validation import check_name, check_uid


class Command(BaseCommand):
    help = 'Create a tenant and print {"tenant": ..., "api_key": ...} as one line of JSON.'

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--uid", help="your own id of it: 1 to 256 letters, digits, hyphens, _ and full stops")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            check_name(options["name"])
            check_uid("tnt", options["uid"])
            with transaction.atomic():
                tenant = create_tenant(options["name"], uid=options["uid"])
                _, text = create_key(tenant, Scope.values, name="manage.py tenant")
        except Invalid as error:
            raise CommandError(f"{error.field}: {error}") from None
        self.stdout.write(json.dumps({"tenant": tenant.public_id, "api_key": text}))
