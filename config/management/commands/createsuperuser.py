"""Run Django's own command as an operation, which the audit records."""

from django.contrib.auth.management.commands import createsuperuser

from webhooks.kit.audit.commands import AuditedCommand


class Command(AuditedCommand, createsuperuser.Command):
    """The command of django.contrib.auth."""
