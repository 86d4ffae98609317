"""Signals about tenants between apps that do not import each other: the receiver knows a tenant by its id only.

    tenant_required   sent in a transaction that creates a row for a tenant, by its model. The app that has the tenants
                      locks the tenant's row; it raises UnknownTenant if there is none, or a deleted one, and a
                      ValueError if a limit of the tenant is reached.
    tenant_named      asks for the id of the tenant with this ``uid``: the answers are UUIDs, or None.
    tenant_usage      asks each app what a tenant uses of its limits: the answers are dicts of numbers by limit.
    tenant_deleted    sent in the transaction that deletes a tenant. Each app ends what it does for the tenant.

The others have the argument ``tenant_id``, a UUID. Receivers run in the sender's transaction; their exceptions undo it.
So what is created for a tenant either commits before the deletion, which then sees it, or is refused. In a project
without the provider the tenant ids are the project's own: it sends ``tenant_deleted`` itself.
"""

from django.dispatch import Signal

tenant_required = Signal()
tenant_named = Signal()
tenant_usage = Signal()
tenant_deleted = Signal()


class UnknownTenant(LookupError):
    """There is no tenant with this id, or it is deleted."""
