"""Create an operator's API key. The REST API creates none, so the first comes from this command."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from subscriptions.errors import Invalid
from subscriptions.models import Scope
from subscriptions.tenants.keys import create_key
from subscriptions.validation import check_name


class Command(BaseCommand):
    """Create an operator's API key and print it."""

    help = 'Create an operator\'s key and print {"key": ..., "api_key": ...} as one line of JSON.'

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="what the key is for")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            check_name(options["name"])
            key, text = create_key(None, Scope.values, name=options["name"])
        except Invalid as error:
            raise CommandError(f"{error.field}: {error}") from None
        self.stdout.write(json.dumps({"key": key.public_id, "api_key": text}))
