"""Say what each role may do: one table for the users of the admin, whose groups have its permissions, and for API keys.

The permissions are Django's, as ``delivery.add_replay``. A page of the admin and the operation of the REST API that do
the same ask for the same one. Each role may do what the ones before it may.
"""

from django.db import models

OURS = ("webhooks", "subscriptions", "delivery")  # apps


class Role(models.TextChoices):
    """List the roles."""

    VIEWER = "viewer", "Viewer"
    SUPPORT = "support", "Support"
    OPERATOR = "operator", "Operator"
    ADMINISTRATOR = "administrator", "Administrator"


# Permissions of support that viewers lack.
_SENSITIVE = {"view_payload", "view_auditentry"}  # of each app

# Permissions that operators have and support lacks.
_WORK = {
    *(f"delivery.change_{it}" for it in ("delivery", "event", "deadletter", "lane", "schedule", "alertrule")),
    *(f"delivery.change_{it}" for it in ("replay", "deadletterjob", "broadcast")),  # cancel jobs
    *("delivery.add_replay", "delivery.acknowledge_alert"),
    *(f"delivery.{verb}_{it}" for verb in ("add", "delete") for it in ("schedule", "alertrule")),
    *("webhooks.replay_receipt", "webhooks.change_receiptreplay", "webhooks.add_source", "webhooks.change_source"),
    *(f"subscriptions.{verb}_{it}" for verb in ("add", "change") for it in ("endpoint", "subscription", "eventtype")),
}

# Permissions that no role has, administrators included.
_FIXED = {f"webhooks.{verb}_auditentry" for verb in ("add", "change", "delete")}


def allows(role: str, permission: str) -> bool:
    """Return whether a role includes a permission. Raises ValueError for an unknown role."""
    app, _, action = permission.partition(".")
    match Role(role):
        case Role.VIEWER:
            return app in OURS and action.startswith("view_") and action not in _SENSITIVE
        case Role.SUPPORT:
            return app in OURS and action.startswith("view_")
        case Role.OPERATOR:
            return permission in _WORK or allows(Role.SUPPORT, permission)
        case Role.ADMINISTRATOR:
            return permission not in _FIXED and (app in OURS or _is_about_users(app, action))


def _is_about_users(app: str, action: str) -> bool:
    return app == "auth" and action.endswith(("_user", "_group"))
