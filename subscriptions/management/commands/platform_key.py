"""Create a platform key. The REST API creates others only with a platform key, so the first comes from this command."""

import json
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from subscriptions.errors import Invalid
from subscriptions.models import Role, Scope
from subscriptions.tenants.keys import create_key
from subscriptions.validation import check_name
from webhooks.kit.audit.commands import AuditedCommand


class Command(AuditedCommand):
    """Create a platform key and print it."""

    help = 'Create a platform key and print {"id": ..., "api_key": ...} as one line of JSON.'

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="what the key is for")
        parser.add_argument(
            "--scope",
            action="append",
            choices=Scope.values,
            dest="scopes",
            help="what the key allows, for every tenant; repeat it for several scopes (default: all that it may have)",
        )
        parser.add_argument(
            "--role",
            choices=Role.values,
            help="limit the key to what the admin's users of it may do",
        )
        parser.add_argument("--expires-in", type=int, metavar="SECONDS", help="when the key stops working")

    def handle(self, *args: Any, **options: Any) -> None:
        seconds = options["expires_in"]
        expires_at = None if seconds is None else timezone.now() + timedelta(seconds=seconds)
        try:
            check_name(options["name"])
            scopes = options["scopes"] or (() if options["role"] else Scope.values)
            key, text = create_key(None, scopes, options["name"], expires_at, role=options["role"])
        except Invalid as error:
            raise CommandError(f"{error.field}: {error}") from None
        self.stdout.write(json.dumps({"id": key.public_id, "api_key": text}))
