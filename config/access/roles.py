"""Make the roles of the admin as groups: viewer, support, operator, administrator; each may do what the former may.

`migrate` makes them and adds the permissions of new tables. It takes none away, and leaves other groups alone.
"""

from typing import Any

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet

OURS = ("webhooks", "subscriptions", "delivery")
ROLES = ("viewer", "support", "operator", "administrator")

_PAYLOADS = Q(codename="view_payload")
_AUDIT = Q(codename="view_auditentry")
_VIEW = Q(content_type__app_label__in=OURS, codename__startswith="view_") & ~_PAYLOADS & ~_AUDIT
_WORK = Q(
    content_type__app_label__in=OURS,
    codename__in=[
        *("change_delivery", "add_replay", "change_replay", "change_broadcast", "acknowledge_alert"),
        *("replay_receipt", "change_receiptreplay", "change_lane", "change_deadletter", "change_event"),
        "change_deadletterjob",
        *("add_endpoint", "change_endpoint", "add_source", "change_source"),
        *("add_schedule", "change_schedule", "delete_schedule", "add_alertrule", "change_alertrule"),
        *("delete_alertrule", "change_eventtype", "add_eventtype"),
    ],
)
_ALL = Q(content_type__app_label__in=OURS) | Q(
    content_type__app_label="auth", content_type__model__in=("user", "group")
)
GRANTED = {
    "viewer": _VIEW,
    "support": _VIEW | _PAYLOADS | _AUDIT,
    "operator": _VIEW | _PAYLOADS | _AUDIT | _WORK,
    "administrator": _ALL & ~Q(codename__in=("add_auditentry", "change_auditentry", "delete_auditentry")),
}


def permissions_of(role: str) -> QuerySet[Permission]:
    """Return the permissions of a role."""
    return Permission.objects.filter(GRANTED[role])


def make_roles() -> None:
    """Create the groups that are missing, and give each the permissions that it lacks."""
    for role in ROLES:
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
