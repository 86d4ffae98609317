"""Run Django's own command as an operation, which the audit records."""

from django.contrib.auth.management.commands import changepassword

from webhooks.kit.audit.commands import AuditedCommand


class Command(AuditedCommand, changepassword.Command):
    """The command of django.contrib.auth."""
