"""Define the signals about tenants between apps that do not import each other: the receiver has only a tenant's id.

    tenant_required   is sent in a transaction that creates a row for a tenant; the sender is the row's model. The app
                      that has the tenants locks the tenant's row. It raises UnknownTenant if there is none or a deleted
                      one, and a ValueError if a limit of the tenant is reached.
    tenant_named      finds a tenant by the argument ``uid``. Each receiver returns its id, a UUID, or None.
    tenant_usage      counts what a tenant uses of its limits. Each receiver returns numbers by the name of the limit.
    tenant_deleted    is sent in the transaction that deletes a tenant. Each app ends what it does for the tenant.
    events_erased     is sent in the transaction that erases events of a tenant that were published from receipts, with
                      ``names``: source and id of each. Each receiver returns how many receipts it has erased.
    messages_counted  counts the messages received in the hour that begins at ``begins_at``. Each receiver returns
                      numbers by tenant id.

All but ``tenant_named`` and ``messages_counted`` have the argument ``tenant_id``, a UUID. Receivers run in the sender's
transaction; their exceptions undo it. So what is created for a tenant either commits before the deletion, which then
sees it, or is refused. In a project without the provider the tenant ids are the project's own: it sends
``tenant_deleted`` itself.
"""

from django.dispatch import Signal

tenant_required = Signal()
tenant_named = Signal()
tenant_usage = Signal()
tenant_deleted = Signal()
events_erased = Signal()
messages_counted = Signal()


class UnknownTenant(LookupError):
    """There is no tenant with this id, or it is deleted."""
