"""Make the roles of the admin as groups, with the permissions of the table in ``subscriptions.tenants.roles``.

`migrate` makes them and adds the permissions of new tables. It takes none away, and leaves other groups alone.
"""

from typing import Any

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

from subscriptions.tenants.roles import Role, allows


def permissions_of(role: str) -> list[Permission]:
    """Return the permissions of a role."""
    rows = Permission.objects.select_related("content_type")
    return [it for it in rows if allows(role, f"{it.content_type.app_label}.{it.codename}")]


def make_roles() -> None:
    """Create the groups that are missing, and give each the permissions that it lacks."""
    for role in Role.values:
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.add(*permissions_of(role))


def after_migration(sender: Any, plan: Any = None, **_signal: Any) -> None:
    """Make the roles when the last app was migrated (receiver of ``post_migrate``)."""
    with_models = [it.label for it in apps.get_app_configs() if it.models_module]  # the others send no signal
    if not plan or sender.label != with_models[-1]:
        return
    for app in apps.get_app_configs():
        create_permissions(app, verbosity=0)
    make_roles()
