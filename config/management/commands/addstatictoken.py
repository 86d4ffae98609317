"""Give a user one more recovery code, in place of django-otp's command, which stores it in clear text."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser

from config.access.recovery_codes import add_recovery_code
from webhooks.audit.entries import record_about
from webhooks.kit.audit.commands import AuditedCommand


class Command(AuditedCommand):
    """Print a recovery code, with which a user who has lost the second factor signs in once."""

    help = "Prints a new recovery code of a user, for one sign-in without the authenticator."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the name of the user."""
        parser.add_argument("username", help="Name with which the user signs in.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print the code. Raises CommandError for an unknown user."""
        users: Any = get_user_model()
        try:
            user = users.objects.get_by_natural_key(options["username"])
        except users.DoesNotExist:
            raise CommandError(f"No user is named {options['username']}.") from None
        code = add_recovery_code(user)
        record_about(user, "recovery code created")
        self.stdout.write(code)
